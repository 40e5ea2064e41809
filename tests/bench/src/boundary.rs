//! What a call between two processes costs, over a Unix socket, side by side with its peers.
//!
//! ```text
//! cargo bench -p rpc-bench --bench boundary                      # all rows, about two minutes
//! cargo bench -p rpc-bench --bench boundary -- calls_64 echo     # rows whose name contains one of these
//! cargo bench -p rpc-bench --bench boundary -- --quick           # to see that they work: no numbers to trust
//! ```
//!
//! The benchmark starts itself again as the server, once for each peer. Both ends are current-thread runtimes of tokio,
//! and each row has one connection.
//!
//! Where it is allowed, `chrt --fifo 1` in front keeps other work on the machine away, and the best round is close to the
//! median then; build before, with `--no-run`.
//!
//! | row | is | measures |
//! | --- | --- | --- |
//! | `call` | one small call after the other, the two ends on two cores | `p50`, `p99` in µs |
//! | `call_one_core` | the same, both on one core: no core is woken | `p50`, `p99` in µs |
//! | `calls_N` | N small calls at any time | `rate` in calls/s; `server_cpu`, `client_cpu` in µs a call |
//! | `echo_1m` | 1 MiB there and back, one call after the other | `rate` in MiB/s, each MiB counted once |
//! | `beside_32m` | small calls, beside 32 MiB there and back, again and again | `p50`, `p99` in µs |
//! | `idle_session`, `held_call` | memory of the server for each of many | `resident` in bytes |
//!
//! | peer | is |
//! | --- | --- |
//! | `raw` | frames of the same size, one at a time |
//! | `mux` | the same frames, many in flight, one write for all that came together |
//! | `hyper`, `tarpc` | HTTP/1.1 and tarpc with postcard |
//! | `rpc` | ours: the handler is ready at once |
//! | `rpc_suspended` | ours: the handler is pending once |
//! | `rpc_deadline` | ours: each call shortens the deadline |
//!
//! # Invariants
//!
//! - A round has one turn of each row; a ratio is taken inside a round. Beside other work on the machine only ratios hold.
//! - Every row of a kind is driven by the same code: tasks on the caller's runtime, and no clock inside of a call but in
//!   the rows that report latencies.

pub mod load;
pub mod measure;
pub mod memory;
pub mod peers;
pub mod rows;
pub mod server;
