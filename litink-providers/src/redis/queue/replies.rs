//! What the scripts answer.

use litink_core::{
    Result,
    queue::{Lease, Leased},
};
use redis::Value;

use super::{error::odd_reply, records};

pub(super) fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(odd_reply()),
    }
}

/// Exactly so many values.
pub(super) fn fields<const N: usize>(values: Vec<Value>) -> Result<[Value; N]> {
    values.try_into().map_err(|_| odd_reply())
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>> {
    optional(value)?.ok_or_else(odd_reply)
}

pub(super) fn optional(value: Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(odd_reply()),
    }
}

pub(super) fn text(value: Value) -> Result<String> {
    String::from_utf8(bytes(value)?).map_err(|_| odd_reply())
}

/// A number, also where it comes as text.
pub(super) fn number(value: Value) -> Result<i64> {
    match value {
        Value::Int(number) => Ok(number),
        value => text(value)?.parse().map_err(|_| odd_reply()),
    }
}

/// Id and token, in turn.
pub(super) fn leases(value: Value) -> Result<Vec<Lease>> {
    let mut values = array(value)?.into_iter();
    let mut leases = Vec::new();
    while let (Some(id), Some(token)) = (values.next(), values.next()) {
        leases.push(Lease {
            job: records::id(&bytes(id)?)?,
            token: number(token)?.unsigned_abs(),
        });
    }
    Ok(leases)
}

/// Id, record, body and error, in turn.
pub(super) fn leased(value: Value) -> Result<Vec<Leased>> {
    let mut values = array(value)?.into_iter();
    let mut leased = Vec::new();
    while let Some(id) = values.next() {
        let mut next = || values.next().ok_or_else(odd_reply);
        let (record, body) = (bytes(next()?)?, bytes(next()?)?);
        let error = optional(next()?)?;
        let (job, lease) = records::job(&bytes(id)?, &record, &body, error.as_deref(), None)?;
        leased.push(Leased { lease, job });
    }
    Ok(leased)
}
