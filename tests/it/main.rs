//! Behaviour through the public interface, a module for each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod body;
mod calls;
mod config;
mod deadlines;
mod description;
mod drive;
mod edge;
mod env;
mod fetch;
mod host;
mod hygiene;
mod lints;
mod messages;
mod shapes;
mod spawned;
mod step;
mod zero_copy;

use self::drive::block_on;
