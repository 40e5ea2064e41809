use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, mut token: String) -> rpc_runtime::Result<()>;
}

fn main() {}
