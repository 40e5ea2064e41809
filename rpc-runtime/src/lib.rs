//! Typed calls between Workers.

pub use rpc_macros::service;
