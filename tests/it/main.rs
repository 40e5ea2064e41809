//! Behaviour through the public interface, a module for each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
mod addresses;
mod body;
mod calls;
mod cancellation;
mod config;
mod context;
mod deadlines;
mod description;
mod drive;
mod edge;
mod env;
mod errors;
mod everywhere;
mod fetch;
mod host;
mod hygiene;
mod interceptors;
mod limits;
mod lints;
mod messages;
mod metadata;
mod panics;
mod peers;
mod protocol;
mod proxy;
mod recorder;
mod serving;
mod session;
mod shapes;
mod spawned;
mod step;
mod tracing;
mod transport;
mod zero_copy;

use self::drive::block_on;
