//! Behaviour of the protocol, both ends in memory.

mod pair;
mod random;

mod calls;
mod simulation;
mod speed;
