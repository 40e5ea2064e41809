use rpc_runtime::service;

#[service]
pub trait Store {
    async fn get(&self) -> rpc_runtime::Result<()>;
}

pub async fn get() -> rpc_runtime::Result<()> {
    StoreClient::connect("tcp:localhost:4000").await?.get().await
}

fn main() {}
