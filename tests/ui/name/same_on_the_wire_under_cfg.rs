use rpc_runtime::service;

#[service]
pub trait Auth {
    #[cfg(true)]
    async fn verify(&self) -> rpc_runtime::Result<()>;
    #[rpc(rename = "verify")]
    async fn check(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
