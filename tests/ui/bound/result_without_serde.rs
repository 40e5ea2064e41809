use rpc_runtime::service;

pub struct Opaque;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<Opaque>;
}

fn main() {}
