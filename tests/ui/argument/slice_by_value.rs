use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, token: [u8]) -> rpc_runtime::Result<()>;
}

fn main() {}
