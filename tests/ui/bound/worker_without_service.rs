use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

struct Gateway;

impl rpc_runtime::Worker for Gateway {
    type Env = ();

    async fn new((): ()) -> rpc_runtime::Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: rpc_runtime::Entrypoint<Self>) -> rpc_runtime::Entrypoint<Self> {
        entrypoint.service::<AuthClient>()
    }
}

fn main() {}
