use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<(), String>;
}

fn main() {}
