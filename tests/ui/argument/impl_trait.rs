use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, token: impl Into<String>) -> rpc_runtime::Result<()>;
}

fn main() {}
