//! Jobs, values and hints on Redis 6.2 and later, or Valkey 7.2 and later: one server, or a primary
//! with replicas behind one address.
//!
//! [`RedisQueue`], [`RedisCache`] and [`RedisEvents`] share one [`RedisServer`], and any number of
//! processes on any number of machines share one server. All keys begin with `{litink}:`.

mod backend;
mod cache;
mod error;
mod events;
mod listening;
mod queue;
mod server;

pub use cache::RedisCache;
pub use events::RedisEvents;
pub use queue::RedisQueue;
pub use server::RedisServer;
