use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<(), Box<dyn std::error::Error>>;
}

fn main() {}
