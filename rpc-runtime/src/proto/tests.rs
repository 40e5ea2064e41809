//! Behaviour of the protocol, both ends in memory.

mod pair;
mod random;
mod raw;

mod calls;
mod golden;
mod hostile;
mod simulation;
mod speed;
