//! Behaviour of the protocol, both ends in memory.

mod pair;
mod random;
mod raw;

mod calls;
mod chaos;
mod documented;
mod ending;
mod golden;
mod hostile;
mod large;
mod simulation;
mod speed;
mod streams;
mod tables;
mod time;
