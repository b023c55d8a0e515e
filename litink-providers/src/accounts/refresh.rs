//! Refresh tokens: a session's id, a secret, and a proof that we gave them.

use blake3::Hash;
use rand::RngCore;
use uuid::Uuid;

use crate::Secret;

/// An id in 32 digits, a secret and a proof in 64 each.
const LENGTH: usize = 32 + 64 + 64;

/// What refresh tokens are made and known with.
pub(super) struct RefreshKeys {
    proof: [u8; 32],
    next: [u8; 32],
}

/// A refresh token that we gave, now or once.
pub(super) struct RefreshToken {
    pub(super) session: Uuid,
    secret: Hash,
}

impl RefreshKeys {
    pub(super) fn new(secret: &Secret) -> Self {
        let key = |purpose| blake3::derive_key(purpose, secret.reveal().as_bytes());
        Self {
            proof: key("litink 2026 accounts: proof of refresh tokens"),
            next: key("litink 2026 accounts: next refresh token"),
        }
    }

    /// The first one of a session.
    pub(super) fn first(&self, session: Uuid) -> RefreshToken {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let secret = Hash::from_bytes(secret);
        RefreshToken { session, secret }
    }

    /// The one after another. It is always the same, so that an answer that got lost can be given
    /// again although no token is kept; without our key it does not follow.
    pub(super) fn next(&self, token: &RefreshToken) -> RefreshToken {
        let secret = blake3::keyed_hash(&self.next, &token.bytes());
        RefreshToken { secret, ..*token }
    }

    pub(super) fn text(&self, token: &RefreshToken) -> String {
        let (session, secret) = (token.session.simple(), token.secret.to_hex());
        format!("{session}{secret}{}", self.proof(token).to_hex())
    }

    /// The token of a text, if we gave it: whoever only knows a session's id can end nothing.
    pub(super) fn read(&self, text: &str) -> Option<RefreshToken> {
        if text.len() != LENGTH || !text.is_ascii() {
            return None;
        }
        let (session, rest) = text.split_at(32);
        let (secret, proof) = rest.split_at(64);
        let token = RefreshToken {
            session: Uuid::try_parse(session).ok()?,
            secret: Hash::from_hex(secret).ok()?,
        };
        // `Hash` compares in constant time.
        (self.proof(&token) == Hash::from_hex(proof).ok()?).then_some(token)
    }

    fn proof(&self, token: &RefreshToken) -> Hash {
        blake3::keyed_hash(&self.proof, &token.bytes())
    }
}

impl RefreshToken {
    /// What is kept of it.
    pub(super) fn hash(&self) -> String {
        blake3::hash(&self.bytes()).to_hex().to_string()
    }

    fn bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(self.session.as_bytes());
        bytes[16..].copy_from_slice(self.secret.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ours_are_read_and_each_is_followed_by_one() {
        let keys = RefreshKeys::new(&Secret::new("a"));
        let others = RefreshKeys::new(&Secret::new("b"));
        let first = keys.first(Uuid::now_v7());
        let text = keys.text(&first);
        let read = keys.read(&text).unwrap();
        assert_eq!((read.session, read.hash()), (first.session, first.hash()));
        assert!(others.read(&text).is_none());
        let next = keys.next(&first);
        assert_eq!(next.hash(), keys.next(&read).hash());
        assert_ne!(next.hash(), first.hash());
        assert_ne!(next.hash(), others.next(&first).hash());
        assert_ne!(keys.first(first.session).hash(), first.hash());
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(keys.read(&changed).is_none(), "changed at {place}");
        }
    }
}
