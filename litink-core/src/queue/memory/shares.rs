//! Whose turn it is: start-time fair queueing over tenants, for each kind.

use std::collections::HashMap;

use crate::UserId;

/// What one job costs a tenant of weight 1.
const COST: u64 = 1 << 20;

/// Above so many tenants in arrears, those that are not are forgotten.
const KEPT: usize = 1_024;

type Tenant = Option<UserId>;

#[derive(Debug, Default)]
pub(super) struct Shares {
    weights: HashMap<Tenant, u32>,
    kinds: HashMap<String, Kind>,
}

#[derive(Debug, Default)]
struct Kind {
    /// The place of the job that was leased last: whoever comes anew begins here, so that idleness
    /// is worth nothing.
    floor: u64,
    next: HashMap<Tenant, u64>,
}

impl Kind {
    fn place(&self, tenant: Tenant) -> u64 {
        let next = self.next.get(&tenant).copied().unwrap_or_default();
        next.max(self.floor)
    }
}

impl Shares {
    pub(super) fn weigh(&mut self, tenant: Tenant, weight: u32) {
        if weight == 1 {
            self.weights.remove(&tenant);
        } else {
            self.weights.insert(tenant, weight);
        }
    }

    /// Lower goes first.
    pub(super) fn place(&self, kind: &str, tenant: Tenant) -> u64 {
        self.kinds.get(kind).map_or(0, |kind| kind.place(tenant))
    }

    /// A job of this tenant was leased.
    pub(super) fn served(&mut self, kind: &str, tenant: Tenant) {
        let weight = self.weights.get(&tenant).copied().unwrap_or(1);
        let kind = match self.kinds.get_mut(kind) {
            Some(kind) => kind,
            None => self.kinds.entry(kind.to_owned()).or_default(),
        };
        kind.floor = kind.place(tenant);
        kind.next
            .insert(tenant, kind.floor + COST / u64::from(weight));
        if kind.next.len() > KEPT {
            let floor = kind.floor;
            kind.next.retain(|_, next| *next > floor);
        }
    }
}
