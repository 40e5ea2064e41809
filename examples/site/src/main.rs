//! Runs the gateway, and behind it the auth Worker and the axum application:
//!
//! ```text
//! cargo run -p site -- dev -c examples/site/gateway.toml -c examples/site/worker.toml -c examples/auth/worker.toml
//! curl -H 'Authorization: Bearer t0ken' -d milk http://localhost:8787/site/notes
//! curl -H 'Authorization: Bearer t0ken' http://localhost:8787/site/notes
//! ```

use std::{process::ExitCode, sync::Arc};

use auth::AuthWorker;
use gateway::Gateway;
use rpc_runtime::Host;
use site::{Notes, SiteWorker};

fn main() -> ExitCode {
    Host::new()
        .worker::<Gateway>("gateway")
        .worker::<AuthWorker>("auth")
        .worker::<SiteWorker>("site")
        .shared(Arc::new(Notes::default()))
        .run()
}
