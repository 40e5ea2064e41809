use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, token: &'a str) -> rpc_runtime::Result<()>;
}

fn main() {}
