use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&mut self) -> rpc_runtime::Result<()>;
}

fn main() {}
