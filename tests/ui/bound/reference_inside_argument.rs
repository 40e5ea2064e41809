use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, token: Option<&String>) -> rpc_runtime::Result<()>;
}

fn main() {}
