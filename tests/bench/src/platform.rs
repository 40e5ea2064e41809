//! What a host costs beside hyper alone: requests a second, time of a hop, start, and memory.
//!
//! Every server is a process with one serving thread on one core, and all of a row share that core; a client on the
//! other core keeps 64 connections busy with one request each. So the server is what limits the rate.

pub mod load;
pub mod measure;
pub mod registry;
pub mod served;
