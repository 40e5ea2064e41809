use rpc_runtime::service;

pub struct Opaque;

#[service]
pub trait Auth {
    async fn verify(&self, id: u64, token: Opaque) -> rpc_runtime::Result<()>;
}

fn main() {}
