//! Behaviour through the public API, a module for each.

mod messages;
mod shapes;
