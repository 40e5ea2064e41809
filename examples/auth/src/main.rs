//! Runs the auth Worker in a process of its own, where the gateway of another one finds it:
//!
//! ```text
//! cargo run -p auth -- dev -c examples/auth/worker.remote.toml
//! cargo run -p gateway -- dev -c examples/gateway/worker.remote.toml
//! ```

use std::process::ExitCode;

use auth::AuthWorker;
use rpc_runtime::Host;

fn main() -> ExitCode {
    Host::new().worker::<AuthWorker>("auth").run()
}
