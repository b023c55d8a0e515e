//! Faults, ordered by tests.

use std::{sync::Mutex, time::Duration};

use hyper::Method;

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection is cut before anything is done.
    Cut,
    /// All is done, and the connection cut before the answer.
    LoseAnswer,
    /// So much of the body arrives, then the connection is cut.
    Partial(usize),
    /// It takes so much longer.
    Slow(Duration),
    /// Something else answers, and nothing is done.
    Answer(u16, Vec<(&'static str, String)>, String),
}

impl Fault {
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer(status, Vec::new(), body.to_owned())
    }
}

struct Order {
    method: Method,
    part: &'static str,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Order>>);

impl Faults {
    /// The next so many requests of this method whose path holds `part`.
    pub(crate) fn order(&self, method: Method, part: &'static str, times: usize, fault: Fault) {
        let order = Order {
            method,
            part,
            times,
            fault,
        };
        self.0.lock().unwrap().push(order);
    }

    /// Forgets one that is still to come; says whether there was one.
    pub(crate) fn take_any(&self) -> bool {
        self.0.lock().unwrap().pop().is_some()
    }

    /// How many are still to come.
    pub(crate) fn left(&self) -> usize {
        self.0.lock().unwrap().iter().map(|order| order.times).sum()
    }

    pub(super) fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut orders = self.0.lock().unwrap();
        let order = orders
            .iter_mut()
            .find(|order| order.times > 0 && order.method == method && path.contains(order.part))?;
        order.times -= 1;
        Some(order.fault.clone())
    }
}
