use rpc_runtime::service;

pub struct Opaque;

#[service]
pub trait Auth {
    async fn verify(&self, token: Opaque) -> rpc_runtime::Result<()>;
    async fn refuse(&self, token: &Opaque) -> rpc_runtime::Result<()>;
}

fn main() {}
