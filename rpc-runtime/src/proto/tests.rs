//! Behaviour of the protocol, both ends in memory.

mod pair;

mod calls;
