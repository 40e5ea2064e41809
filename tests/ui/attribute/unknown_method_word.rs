use rpc_runtime::service;

#[service]
pub trait Auth {
    #[rpc(idempotant)]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
