//! Runs the gateway and the auth Worker in one process:
//!
//! ```text
//! cargo run -p gateway -- dev -c examples/gateway/worker.toml -c examples/auth/worker.toml
//! ```
//!
//! or the gateway alone, with `-c examples/gateway/worker.remote.toml`; `examples/auth/src/main.rs` then runs the other
//! one in a process of its own.

use std::process::ExitCode;

use auth::AuthWorker;
use gateway::Gateway;
use rpc_runtime::Host;

fn main() -> ExitCode {
    Host::new().worker::<Gateway>("gateway").worker::<AuthWorker>("auth").run()
}
