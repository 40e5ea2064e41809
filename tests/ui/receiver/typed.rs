use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(self: std::sync::Arc<Self>) -> rpc_runtime::Result<()>;
}

fn main() {}
