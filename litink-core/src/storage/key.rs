use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, UserId};

/// What sort of bytes stand under a user's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Area {
    /// Original files.
    Books,
    /// Cover images.
    Covers,
    /// Speech, music, sound.
    Audio,
    /// Illustrations.
    Images,
    /// Clips and films.
    Videos,
    /// Finished files of runs.
    Exports,
}

impl Area {
    fn as_str(self) -> &'static str {
        match self {
            Self::Books => "books",
            Self::Covers => "covers",
            Self::Audio => "audio",
            Self::Images => "images",
            Self::Videos => "videos",
            Self::Exports => "exports",
        }
    }
}

/// Where an object stands: `users/{user}/{area}/{group}/{name}`, and made here only, so that keys
/// are collision-free and cannot leave their owner's prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageKey(String);

/// The longest name; with the prefix it stays within every backend's limit.
const MAX_NAME: usize = 120;

impl StorageKey {
    /// A key in a group (a book's, run's or generation's id). Characters of `name` other than ASCII
    /// letters, digits, `.`, `_` and `-` become `-`, since some stores refuse them; a name that was
    /// changed gets a short hash of the whole before its ending, so that no two become one.
    #[must_use]
    pub fn new(user: UserId, area: Area, group: impl Into<Uuid>, name: &str) -> Self {
        let group: Uuid = group.into();
        Self(format!(
            "users/{user}/{}/{group}/{}",
            area.as_str(),
            safe_name(name)
        ))
    }

    /// The prefix of all that a user has.
    #[must_use]
    pub fn user_prefix(user: UserId) -> String {
        format!("users/{user}/")
    }

    /// The prefix of a group.
    #[must_use]
    pub fn group_prefix(user: UserId, area: Area, group: impl Into<Uuid>) -> String {
        let group: Uuid = group.into();
        format!("users/{user}/{}/{group}/", area.as_str())
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> UserId {
        owner_of(&self.0).unwrap_or(UserId(Uuid::nil()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

/// The user of a key or a prefix (`users/{user}/...`).
pub(crate) fn owner_of(key: &str) -> Option<UserId> {
    let mut segments = key.split('/');
    if segments.next() != Some("users") {
        return None;
    }
    Uuid::try_parse(segments.next()?).ok().map(UserId)
}

fn safe_name(name: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let plain: String = name.chars().map(safe).take(MAX_NAME).collect();
    // No name may be "." or "..", or hidden.
    let plain = plain.trim_start_matches('.');
    if plain == name && !plain.is_empty() {
        return plain.into();
    }
    let hash = &blake3::hash(name.as_bytes()).to_hex()[..10];
    match plain.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 8 => {
            format!("{}-{hash}.{ending}", &stem[..stem.len().min(MAX_NAME - 24)])
        }
        _ => format!("{}-{hash}", &plain[..plain.len().min(MAX_NAME - 16)]),
    }
}

impl FromStr for StorageKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let segments: Vec<&str> = text.split('/').collect();
        let whole = segments.len() == 5
            && owner_of(text).is_some()
            && segments
                .iter()
                .all(|s| !s.is_empty() && safe_name(s) == **s);
        if whole {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid(
                "bad_key",
                "this is no storage key of litink",
            ))
        }
    }
}

impl TryFrom<String> for StorageKey {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<StorageKey> for String {
    fn from(key: StorageKey) -> Self {
        key.0
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LOCAL_USER;

    #[test]
    fn names_cannot_leave_the_prefix() {
        for name in ["../../etc/passwd", "..", "", "/", "a/b", "é\0", ".hidden"] {
            let key = StorageKey::new(LOCAL_USER, Area::Books, Uuid::nil(), name);
            assert_eq!(key.as_str().split('/').count(), 5, "{key}");
            assert!(!key.name().starts_with('.'), "{key}");
            assert_eq!(key.owner(), LOCAL_USER);
            assert_eq!(key.as_str().parse::<StorageKey>().unwrap(), key);
        }
    }

    #[test]
    fn names_that_look_alike_stay_apart() {
        let key = |name: &str| StorageKey::new(LOCAL_USER, Area::Exports, Uuid::nil(), name);
        assert_ne!(key("第一章.mp3"), key("第二章.mp3"));
        assert!(key("第一章.mp3").name().ends_with(".mp3"));
        assert_eq!(key("plain.mp3").name(), "plain.mp3");
        let long = "a".repeat(500);
        assert_ne!(key(&format!("{long}1")), key(&format!("{long}2")));
        assert!(key(&long).name().len() <= MAX_NAME);
    }

    #[test]
    fn foreign_text_is_no_key() {
        for text in [
            "",
            "a",
            "users/x/books/y/z",
            "users/../books/a/b",
            "/users/a/b/c",
        ] {
            assert_eq!(
                text.parse::<StorageKey>().unwrap_err().code(),
                "bad_key",
                "{text}"
            );
        }
    }
}
