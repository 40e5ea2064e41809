use rpc_runtime::{Env, Result, service};

#[service(local)]
pub trait Canvas {}

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<()>;
}

#[derive(Env)]
struct GatewayEnv {
    canvas: CanvasClient,
}

struct Gateway {
    env: GatewayEnv,
}

impl Auth for Gateway {
    async fn verify(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {}
