//! Behaviour of `rpc-runtime`, a module per behaviour.

mod body;
