use rpc_runtime::service;

#[derive(serde::Serialize, serde::Deserialize)]
struct Token;

#[service]
pub trait Auth {
    async fn verify(&self, token: Token) -> rpc_runtime::Result<()>;
}

fn main() {}
