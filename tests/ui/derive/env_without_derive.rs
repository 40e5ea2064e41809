use std::process::ExitCode;

use rpc_runtime::{Entrypoint, Host, Result, Worker};

struct GatewayEnv {
    greeting: String,
}

struct Gateway;

impl Worker for Gateway {
    type Env = GatewayEnv;

    async fn new(_: GatewayEnv) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint
    }
}

fn main() -> ExitCode {
    Host::new().worker::<Gateway>("gateway").run()
}
