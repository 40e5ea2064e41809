use rpc_runtime::service;

#[service]
pub trait __Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
