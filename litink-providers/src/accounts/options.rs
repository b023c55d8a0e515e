use std::time::Duration;

/// How accounts behave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountOptions {
    /// Whether anybody may make an account; else only operators do. Default no.
    pub open: bool,
    /// How long an access token is good. Default 1 hour, as Supabase Auth has it.
    pub token_lifetime: Duration,
    /// How long after signing in one must sign in again. Default 30 days.
    pub session_lifetime: Duration,
    /// For how long a refresh token that was used is answered again, since answers get lost.
    /// Default 10 s, as Supabase Auth has it.
    pub reuse_for: Duration,
    /// How long it is believed that a session goes on before its row is looked at again: within
    /// this an ended session's access token is refused. Zero looks at every call. What is longer
    /// than `token_lifetime` lets access tokens live to their end. Default 10 s.
    pub check_every: Duration,
    /// By how much the clocks of machines may differ. Default 30 s.
    pub leeway: Duration,
    /// Who issues tokens; those of others are refused. Default `litink`.
    pub issuer: String,
    /// How many passwords are looked at at once; each takes a core and 19 MiB. Default: the number
    /// of cores, 4 at most.
    pub parallel_hashes: usize,
}

impl Default for AccountOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            open: false,
            token_lifetime: Duration::from_secs(3600),
            session_lifetime: Duration::from_secs(30 * 24 * 3600),
            reuse_for: Duration::from_secs(10),
            check_every: Duration::from_secs(10),
            leeway: Duration::from_secs(30),
            issuer: "litink".into(),
            parallel_hashes: cores.min(4),
        }
    }
}
