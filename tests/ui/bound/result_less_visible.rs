use rpc_runtime::service;

#[derive(serde::Serialize, serde::Deserialize)]
struct Token;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<Token>;
}

fn main() {}
