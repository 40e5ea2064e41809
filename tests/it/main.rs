//! Behaviour of `rpc-runtime`, a module per behaviour.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod body;
mod config;
mod edge;
