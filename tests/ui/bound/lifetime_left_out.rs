use rpc_runtime::service;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Query<'a>(&'a str);

#[service]
pub trait Auth {
    async fn verify(&self, query: Query) -> rpc_runtime::Result<()>;
}

fn main() {}
