use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify<T>(&self, token: T) -> rpc_runtime::Result<()>;
}

fn main() {}
