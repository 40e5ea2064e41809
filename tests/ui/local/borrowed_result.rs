use rpc_runtime::service;

#[service(local)]
pub trait Auth {
    async fn verify(&self) -> Result<&str, rpc_runtime::Error>;
}

fn main() {}
