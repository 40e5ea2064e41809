//! The macros of `rpc-runtime`, which re-exports them: depend on that crate, not on this one.

mod errors;
