use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, _: ...) -> rpc_runtime::Result<()>;
}

fn main() {}
