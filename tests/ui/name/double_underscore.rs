use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn __verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
