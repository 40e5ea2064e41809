use rpc_runtime::{Env, Fetch, Request, Response, Result, service};

#[service(local)]
pub trait Canvas {}

#[derive(Env)]
struct GatewayEnv {
    canvas: CanvasClient,
}

struct Gateway {
    env: GatewayEnv,
}

impl Fetch for Gateway {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(Response::default())
    }
}

fn main() {}
