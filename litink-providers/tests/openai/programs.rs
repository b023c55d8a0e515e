//! Programs that are not Rust.

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// What a variable names, which `cargo xtask test rust` sets.
pub(crate) fn installed(variable: &str) -> Option<PathBuf> {
    if let Some(found) = std::env::var_os(variable) {
        return Some(found.into());
    }
    assert!(
        std::env::var_os("LITINK_REQUIRE_PROGRAMS").is_none(),
        "{variable} is not set; cargo xtask test rust sets it"
    );
    eprintln!("skipped: {variable} is not set; cargo xtask test rust sets it");
    None
}

/// Runs a program until its own input ends: with this process, however that ends.
const UNTIL_END_OF_INPUT: &str =
    r#"exec 3<&0; "$@" </dev/null & it=$!; (cat <&3; kill $it) >/dev/null 2>&1 & wait $it"#;

/// A server that runs as long as this.
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a server and waits until it listens.
pub(crate) async fn start(command: &Command, port: u16) -> Running {
    let command = command.as_std();
    let given = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let child = Command::new("sh")
        .args(["-c", UNTIL_END_OF_INPUT, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(given)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running { child, port };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        let ended = running.child.try_wait().unwrap();
        assert!(ended.is_none(), "{command:?} ended: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(120), "{command:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    running
}
