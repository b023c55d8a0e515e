//! Secrets that everybody knows.

/// Passwords of quick starts and of our own examples.
const DEFAULTS: &[&str] = &[
    "admin",
    "change-me",
    "changeme",
    "guest",
    "litink",
    "minioadmin",
    "password",
    "postgres",
    "rabbitmq",
    "redis",
    "replace-me",
    "secret",
    "test",
    // of `supabase start`
    "super-secret-jwt-token-with-at-least-32-characters-long",
];

/// How the demo keys of `supabase start` begin: a header, then `{"iss":"supabase-demo"`.
const DEMO_JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIi";

/// Whether a secret is one that comes with some software.
pub(crate) fn is_default(secret: &str) -> bool {
    DEFAULTS.contains(&secret) || secret.starts_with(DEMO_JWT)
}
