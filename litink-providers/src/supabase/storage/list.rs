//! What there is below a prefix.

use litink_core::{
    Actor, ErrorKind, Result,
    domain::Timestamp,
    repository::Page,
    storage::{ObjectMeta, StorageKey},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::SupabaseStorage;
use crate::{storage_prefix::narrowed, supabase::refused::not_supabase};

/// The most objects that one call lists or removes.
const AT_ONCE: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    has_next: bool,
    next_cursor: Option<String>,
    objects: Vec<Listing>,
}

#[derive(Deserialize)]
struct Listing {
    name: String,
    metadata: Option<Metadata>,
    updated_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    size: Option<u64>,
    mimetype: Option<String>,
    last_modified: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Removed {
    name: String,
}

impl Listing {
    /// `None` for what somebody else put there.
    fn meta(self, below: &str) -> Option<Result<ObjectMeta>> {
        let key: StorageKey = self.name.parse().ok()?;
        if !key.as_str().starts_with(below) {
            return None;
        }
        let metadata = self.metadata?;
        let modified = metadata
            .last_modified
            .or(self.updated_at)
            .or(self.created_at);
        let known = modified.zip(metadata.size).ok_or_else(not_supabase);
        Some(known.map(|(modified_at, bytes)| ObjectMeta {
            key,
            bytes,
            media_type: metadata.mimetype,
            modified_at,
        }))
    }
}

/// Where to look.
enum Below {
    /// Nowhere: it is somebody else's.
    Nothing,
    /// At one object.
    One(StorageKey),
    /// Below this, with its slash.
    Prefix(String),
}

impl Below {
    fn of(actor: Actor, prefix: &str) -> Self {
        match narrowed(actor, prefix) {
            None => Self::Nothing,
            Some(prefix) if prefix.is_empty() => Self::Prefix(prefix),
            Some(prefix) => match prefix.parse() {
                Ok(key) => Self::One(key),
                Err(_) => Self::Prefix(prefix + "/"),
            },
        }
    }
}

impl SupabaseStorage {
    pub(super) async fn page(
        &self,
        actor: Actor,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<ObjectMeta>> {
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let below = match Below::of(actor, prefix) {
            Below::Nothing => return Ok(page),
            Below::One(key) => {
                // Its page is the last.
                match self.look(actor, &key).await {
                    Ok((meta, _)) if after.is_none() => page.items.push(meta),
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                return Ok(page);
            }
            Below::Prefix(below) => below,
        };
        page.next = after.map(str::to_owned);
        // What somebody else put there is left out, and the page filled up from the next.
        while page.items.len() < limit {
            let wanted = limit - page.items.len();
            let listed = self.listed(&below, page.next.as_deref(), wanted).await?;
            for listing in listed.objects {
                page.items.extend(listing.meta(&below).transpose()?);
            }
            page.next = listed.next_cursor.filter(|_| listed.has_next);
            if page.next.is_none() {
                break;
            }
        }
        Ok(page)
    }

    async fn listed(&self, below: &str, cursor: Option<&str>, limit: usize) -> Result<Listed> {
        let path = format!("object/list-v2/{}", self.bucket());
        let mut body = json!({ "prefix": below, "limit": limit, "with_delimiter": false });
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let call = self.call(Method::POST, &path)?.json(&body)?;
        self.shared.send(call).await?.json()
    }

    /// Removes objects; says how many there were.
    pub(super) async fn remove(&self, keys: &[&str]) -> Result<u64> {
        let path = format!("object/{}", self.bucket());
        let call = self.call(Method::DELETE, &path)?;
        let call = call.json(&json!({ "prefixes": keys }))?;
        let answer = self.shared.send(call).await?;
        let removed: Vec<Removed> = answer.json()?;
        if answer.attempts > 1 {
            // An attempt whose answer was lost may have removed them.
            return Ok(keys.len() as u64);
        }
        let of_these = removed.iter().filter(|it| keys.contains(&&*it.name));
        Ok(of_these.count() as u64)
    }

    pub(super) async fn remove_below(&self, actor: Actor, prefix: &str) -> Result<u64> {
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.page(actor, prefix, after.as_deref(), AT_ONCE).await?;
            let keys: Vec<&str> = page.items.iter().map(|meta| meta.key.as_str()).collect();
            if !keys.is_empty() {
                removed += self.remove(&keys).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }
}
