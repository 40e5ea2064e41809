use rpc_runtime::service;

#[service]
pub trait Auth {
    #[rpc(deadline = "9999999999999h")]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
