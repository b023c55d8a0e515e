//! The shape that all suites share.

/// Makes of a list of cases: their names, a function that runs them all, and a macro that makes
/// one test of each. `$d` is a dollar sign, for the macro in the macro.
macro_rules! suite {
    (
        $d:tt $macro:ident: $module:ident for $backend:ident;
        $($case:ident)+
    ) => {
        /// The names of the cases, in order.
        pub const CASES: &[&str] = &[$(stringify!($case)),+];

        /// Runs every case, one after the other, and names each on standard error.
        ///
        /// # Panics
        /// Where the backend breaks the contract.
        pub async fn run_all(backend: std::sync::Arc<dyn $backend>) {
            $(
                eprintln!("case: {}", stringify!($case));
                $case(std::sync::Arc::clone(&backend)).await;
            )+
        }

        /// One `#[tokio::test]` for each case. The argument is an expression, evaluated in each
        /// test, that gives an `Arc` of the backend; it may `await`, and `return` to skip. The
        /// crate that uses it depends on tokio with `macros` and `rt-multi-thread`.
        #[macro_export]
        macro_rules! $macro {
            ($d make:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $case() {
                        let backend: ::std::sync::Arc<dyn $crate::$module::$backend> = $d make;
                        $crate::testing::$module::$case(backend).await;
                    }
                )+
            };
        }
    };
}

/// The same for a backend that is made with a lease: each list of cases says how long.
macro_rules! lease_suite {
    (
        $d:tt $macro:ident: $module:ident for $backend:ident;
        $(lease $lease_ms:literal ms: $($case:ident)+;)+
    ) => {
        /// The names of the cases, in order.
        pub const CASES: &[&str] = &[$($(stringify!($case)),+),+];

        /// Runs every case, one after the other, and names each on standard error. `make` gives a
        /// backend whose leases last as long as it is told.
        ///
        /// # Panics
        /// Where the backend breaks the contract.
        pub async fn run_all(
            make: impl AsyncFn(std::time::Duration) -> std::sync::Arc<dyn $backend>,
        ) {
            $($(
                eprintln!("case: {}", stringify!($case));
                $case(make(std::time::Duration::from_millis($lease_ms)).await).await;
            )+)+
        }

        /// One `#[tokio::test]` for each case. The argument is an expression, evaluated in each
        /// test, that gives a closure from the length of the lease to a future of an `Arc` of the
        /// backend; it may `return` to skip. The crate that uses it depends on tokio with `macros`
        /// and `rt-multi-thread`.
        #[macro_export]
        macro_rules! $macro {
            ($d make:expr) => {
                $($(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $case() {
                        let make = $d make;
                        let lease = ::std::time::Duration::from_millis($lease_ms);
                        let backend: ::std::sync::Arc<dyn $crate::$module::$backend> =
                            make(lease).await;
                        $crate::testing::$module::$case(backend).await;
                    }
                )+)+
            };
        }
    };
}

/// The same for a contract whose cases need to know how it is set up: the argument of the macro
/// gives the suite's `Setup`.
macro_rules! suite_of_setups {
    ($d:tt $macro:ident: $module:ident; $($case:ident)+) => {
        /// The names of the cases, in order.
        pub const CASES: &[&str] = &[$(stringify!($case)),+];

        /// Runs every case, one after the other, and names each on standard error.
        ///
        /// # Panics
        /// Where the backend breaks the contract.
        pub async fn run_all(setup: Setup) {
            $(
                eprintln!("case: {}", stringify!($case));
                $case(setup.clone()).await;
            )+
        }

        /// One `#[tokio::test]` for each case. The argument is an expression, evaluated in each
        /// test, that gives a `Setup`; it may `await`, and `return` to skip. The crate that uses it
        /// depends on tokio with `macros` and `rt-multi-thread`.
        #[macro_export]
        macro_rules! $macro {
            ($d setup:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $case() {
                        let setup: $crate::testing::$module::Setup = $d setup;
                        $crate::testing::$module::$case(setup).await;
                    }
                )+
            };
        }
    };
}

/// Says that a case, or a part of it, does not apply to this backend, and why.
pub(crate) fn skipped(case: &str, why: &str) {
    eprintln!("skipped: {case}: {why}");
}
