use rpc_runtime::service;

#[service]
pub trait Auth {
    #[rpc(deadline = "0s")]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
