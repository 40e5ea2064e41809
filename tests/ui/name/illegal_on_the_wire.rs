use rpc_runtime::service;

#[service]
pub trait Auth {
    #[rpc(rename = "check token")]
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
