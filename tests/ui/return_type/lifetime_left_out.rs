use rpc_runtime::service;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Query<'a>(&'a str);

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<Query>;
}

fn main() {}
