use rpc_runtime::service;

#[service]
pub trait Auth {
    pub async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
