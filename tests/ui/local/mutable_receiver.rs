use rpc_runtime::service;

#[service(local)]
pub trait Auth {
    async fn verify(&mut self) -> rpc_runtime::Result<()>;
}

fn main() {}
