//! What a call costs, side by side with its peers, measured in one run.
//!
//! ```text
//! cargo bench -p rpc-bench --bench in_process             # time, allocations, instructions
//! cargo bench -p rpc-bench --bench in_process -- add      # rows whose name contains `add`
//! cargo bench -p rpc-bench --bench boundary               # two processes: latency, rate, CPU, memory
//! cargo bench -p rpc-bench --bench platform               # hosts: requests a second, start, memory
//! cargo bench -p rpc-bench --bench codegen                # what rustc pays for a service
//! ```
//!
//! A row is one call made over and over. It has a name, yardsticks (rows of the same run that it is
//! divided by), and a set-up. Peers are one file each under `peers` and have the same functions; the
//! list of rows is [`rows::all`]; what the numbers must not exceed is in [`figures`]. [`boundary`] has its own rows, which
//! run for a while instead of a number of times, and [`codegen`] stands apart: it measures rustc.
//!
//! # Invariants
//!
//! - A number without its yardstick from the same run says nothing; every table prints both.
//! - Nothing here is a wrapper around a call: what a row measures is what its peer's user writes.

// The plain chain of 32 is one future inside another, 32 deep.
#![recursion_limit = "256"]

pub mod boundary;
pub mod callgrind;
pub mod codegen;
pub mod count;
pub mod figures;
pub mod harness;
pub mod peers;
pub mod platform;
pub mod report;
pub mod rows;
