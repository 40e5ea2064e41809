use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<impl Iterator<Item = u32>, rpc_runtime::Error>;
}

fn main() {}
