use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn fetch(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
