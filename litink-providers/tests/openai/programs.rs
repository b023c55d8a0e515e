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

/// A server that runs as long as this.
pub(crate) struct Running {
    _child: Child,
    pub(crate) port: u16,
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a server and waits until it listens.
pub(crate) async fn start(command: &mut Command, port: u16) -> Running {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut running = Running {
        _child: child,
        port,
    };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        let ended = running._child.try_wait().unwrap();
        assert!(ended.is_none(), "{command:?} ended: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(120), "{command:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    running
}
