use rpc_runtime::service;

pub struct Opaque;

#[service]
pub trait Auth {
    async fn verify(&self, tokens: Vec<Opaque>) -> rpc_runtime::Result<()>;
}

fn main() {}
