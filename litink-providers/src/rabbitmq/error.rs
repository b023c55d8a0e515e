//! RabbitMQ's errors as litink's.

use lapin::ErrorKind as Kind;
use litink_core::{Error, ErrorKind};

/// What an error means to a caller. Without the broker's message: it names users and queues.
pub(super) fn of(error: &lapin::Error) -> Error {
    let new = |kind, code, message: &str| Error::new(kind, message).with_code(code);
    let Kind::ProtocolError(said) = error.kind() else {
        return unreachable();
    };
    match said.get_id() {
        403 => new(
            ErrorKind::Configuration,
            "rabbitmq_refused",
            "RabbitMQ refuses this login, or a right; check user and password in the URL, and give the \
             user configure, write and read for `litink.*`",
        ),
        530 => new(
            ErrorKind::Configuration,
            "rabbitmq_vhost",
            "RabbitMQ has no such virtual host, or not for this user; the URL is \
             amqp://USER:PASSWORD@HOST:PORT/VHOST, with %2f for the host `/`",
        ),
        406 => new(
            ErrorKind::Configuration,
            "rabbitmq_declared_otherwise",
            "a queue or exchange `litink.*` is there and was declared otherwise; remove it, or use \
             another virtual host",
        ),
        _ => unreachable(),
    }
}

pub(super) fn unreachable() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection to RabbitMQ was cut, or cannot be made; check that the broker runs",
    )
    .with_code("rabbitmq_unreachable")
}

pub(super) fn blocked() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "RabbitMQ takes no messages, for want of memory or disk; jobs are kept, and are noticed \
         late; make room for the broker",
    )
    .with_code("rabbitmq_blocked")
}

pub(super) fn bad_url() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the URL of RabbitMQ cannot be used; it is amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// \
         for TLS",
    )
    .with_code("bad_backend_url")
}
