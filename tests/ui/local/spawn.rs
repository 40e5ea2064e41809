use rpc_runtime::service;

#[service(local)]
pub trait Auth {
    #[rpc(spawn)]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
