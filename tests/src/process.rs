//! Processes of ours that are killed, stopped and cut off.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    program,
    proxy::{Proxy, Trouble},
};

/// What went wrong with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbed {
    /// It was killed, and another began.
    Killed,
    /// It sleeps for a while (SIGSTOP).
    Stopped,
    /// What it says to its server, or hears from it, is cut off, or hangs, for a while.
    CutOff,
}

/// A program of this workspace; killed with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    program: &'static str,
    arguments: Vec<String>,
    settings: Vec<(&'static str, String)>,
    proxies: Vec<Proxy>,
    stopped: Option<Instant>,
    mended: Option<Instant>,
}

impl Process {
    /// Starts one with these settings and no others; what goes to its servers goes through these
    /// proxies.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(
        program: &'static str,
        arguments: &[&str],
        settings: Vec<(&'static str, String)>,
        proxies: Vec<Proxy>,
    ) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
        Self {
            child: spawn(program, &arguments, &settings),
            program,
            arguments,
            settings,
            proxies,
            stopped: None,
            mended: None,
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill {signal}");
    }

    /// Lets it sleep.
    ///
    /// # Panics
    /// Where it is not there.
    pub fn stop_for(&mut self, time: Duration) {
        self.signal("-STOP");
        self.stopped = Some(Instant::now() + time);
    }

    /// Kills it, and starts another.
    ///
    /// # Panics
    /// Where that does not start.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(self.program, &self.arguments, &self.settings);
        self.stopped = None;
    }

    /// One thing that goes wrong, by chance, for 0.2 to 4 seconds; `None` where it did not come to
    /// it.
    pub fn disturb(&mut self, random: &mut StdRng) -> Option<Disturbed> {
        let time = Duration::from_millis(random.random_range(200..4_000));
        match random.random_range(0..6) {
            0..=1 => {
                self.restart();
                Some(Disturbed::Killed)
            }
            2..=3 if self.stopped.is_none() => {
                self.stop_for(time);
                Some(Disturbed::Stopped)
            }
            _ => {
                let proxy = self.proxies.choose(random)?;
                match random.random_range(0..5) {
                    0 => proxy.cut(),
                    1 => proxy.set(Trouble::CutAnswering(random.random_range(0..2_000))),
                    2 => proxy.set(Trouble::CutAsking(random.random_range(0..2_000))),
                    3 => proxy.set(Trouble::Away),
                    _ => proxy.set(Trouble::Hang),
                }
                self.mended = Some(Instant::now() + time);
                Some(Disturbed::CutOff)
            }
        }
    }

    /// Ends troubles whose time is over, and starts it anew if it ended by itself (it could not
    /// reach its server when it began).
    pub fn look_after(&mut self) {
        let now = Instant::now();
        if self.stopped.is_some_and(|until| until <= now) {
            self.signal("-CONT");
            self.stopped = None;
        }
        if self.mended.is_some_and(|until| until <= now) {
            self.mended = None;
            for proxy in &self.proxies {
                proxy.set(Trouble::None);
            }
        }
        if !matches!(self.child.try_wait(), Ok(None)) {
            self.restart();
        }
    }

    /// Ends all its troubles.
    pub fn recover(&mut self) {
        let now = Instant::now();
        self.stopped = self.stopped.map(|_| now);
        self.mended = (!self.proxies.is_empty()).then_some(now);
        self.look_after();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(name: &str, arguments: &[String], settings: &[(&'static str, String)]) -> Child {
    let mut command = Command::new(program(name));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LITINK_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command.envs(settings.iter().map(|(name, value)| (*name, value)));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"))
}
