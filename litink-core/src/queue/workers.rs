//! Who works on a queue.

use serde::{Deserialize, Serialize};

use crate::{SessionId, domain::Timestamp};

/// Who works, for people. Never an identity: two workers may say the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerInfo {
    /// Its name.
    pub name: String,
    /// The machine, or container, that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its process there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The kinds of job that it asks for; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl WorkerInfo {
    /// A worker of this name in this process.
    #[must_use]
    pub fn here(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            host: host(),
            pid: Some(std::process::id()),
            kinds: Vec::new(),
        }
    }

    /// Sets `kinds`.
    #[must_use]
    pub fn kinds(mut self, kinds: Vec<String>) -> Self {
        self.kinds = kinds;
        self
    }

    /// As the one text that backends keep with a session: the name alone, or all of it as JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        let name_alone = Self {
            name: self.name.clone(),
            ..Self::default()
        };
        let json = || serde_json::to_string(self).ok();
        match *self == name_alone && !self.name.starts_with('{') {
            true => self.name.clone(),
            false => json().unwrap_or_else(|| self.name.clone()),
        }
    }

    /// The reverse of [`WorkerInfo::to_text`].
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let json = text.starts_with('{').then(|| serde_json::from_str(text));
        match json {
            Some(Ok(info)) => info,
            _ => Self {
                name: text.to_owned(),
                ..Self::default()
            },
        }
    }
}

/// What the machine calls itself; a container's name is in its environment.
fn host() -> Option<String> {
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let environment = || std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME"));
    let host = kernel().or_else(|| environment().ok())?;
    let host = host.trim();
    (!host.is_empty()).then(|| host.to_owned())
}

/// A worker whose session is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerState {
    /// Its session.
    pub session: SessionId,
    /// Who it is.
    #[serde(flatten)]
    pub info: WorkerInfo,
    /// When the session began.
    pub opened_at: Timestamp,
    /// When its last heartbeat came, by the store's clock.
    pub seen_at: Timestamp,
    /// When it ends without another.
    pub expires_at: Timestamp,
    /// Jobs that it holds now.
    pub running: u64,
}

impl WorkerState {
    /// What a backend keeps of a session: its worker as [`WorkerInfo::to_text`]; when it was opened,
    /// its lease and its end, in microseconds.
    #[must_use]
    pub fn stored(session: SessionId, worker: &str, times: [i64; 3], running: u64) -> Self {
        let [opened_at, lease, expires_at] = times;
        let time = |micros| Timestamp::from_timestamp_micros(micros).unwrap_or_default();
        Self {
            session,
            info: WorkerInfo::from_text(worker),
            opened_at: time(opened_at),
            // Each heartbeat is for another lease.
            seen_at: time(expires_at.saturating_sub(lease)),
            expires_at: time(expires_at),
            running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_it_all() {
        let infos = ["", "a name", "{", "{}", "{\"name\":\"x\"}"].map(|name| WorkerInfo {
            name: name.into(),
            ..WorkerInfo::default()
        });
        let here = WorkerInfo::here("mailer").kinds(vec!["email".into()]);
        assert!(here.pid.is_some());
        for info in infos.into_iter().chain([here]) {
            assert_eq!(WorkerInfo::from_text(&info.to_text()), info);
        }
    }
}
