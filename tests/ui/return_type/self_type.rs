use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<Self, rpc_runtime::Error>;
}

fn main() {}
