use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn clone(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
