use rpc_runtime::service;

#[service]
pub trait Auth {
    #[cfg_attr(unix, rpc(idempotent))]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
