//! The scripts, put together of what they share. Each is sent once, and then named by its hash, so
//! that old and new versions of litink work beside each other as long as records stay the same.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($(#[$doc:meta])* $name:ident: $($part:literal)+) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!($(include_str!(concat!("lua/", $part, ".lua")), "\n"),+))
        });
    };
}

script! {
    /// Adds jobs.
    ENQUEUE: "base" "waiting" "moves" "enqueue"
}
script! {
    /// Opens, keeps and ends sessions, and waits.
    SESSIONS: "base" "waiting" "moves" "sessions"
}
script! {
    /// A worker's turn.
    EXCHANGE: "base" "waiting" "moves" "sharing" "exchange"
}
script! {
    /// An operator's command.
    CONTROL: "base" "waiting" "moves" "sharing" "control"
}
script! {
    /// What operators see.
    READ: "base" "read"
}
