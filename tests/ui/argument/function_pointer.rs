use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, check: fn(&str) -> bool) -> rpc_runtime::Result<()>;
}

fn main() {}
