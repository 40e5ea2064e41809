use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn into(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
