use rpc_runtime::service;

#[service]
pub trait Auth {
    #[rpc]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
