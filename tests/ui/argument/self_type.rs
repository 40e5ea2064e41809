use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, other: &Self) -> rpc_runtime::Result<()>;
}

fn main() {}
