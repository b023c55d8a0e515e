//! What of a storage an actor may reach.

use litink_core::{Actor, UserId, storage::StorageKey};

/// The part of a prefix that lies within what the actor may reach, if any.
pub(crate) fn narrowed(actor: Actor, prefix: &str) -> Option<String> {
    let prefix = prefix.trim_end_matches('/');
    let Some(user) = actor.user() else {
        return Some(prefix.to_owned());
    };
    let own = own_prefix(user);
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
    };
    if within(prefix, &own) {
        Some(prefix.to_owned())
    } else {
        within(&own, prefix).then_some(own)
    }
}

fn own_prefix(user: UserId) -> String {
    let mut prefix = StorageKey::user_prefix(user);
    prefix.truncate(prefix.trim_end_matches('/').len());
    prefix
}
