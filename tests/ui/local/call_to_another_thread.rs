use rpc_runtime::service;

#[service(local)]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}

async fn elsewhere(auth: AuthClient) {
    tokio::spawn(async move { auth.verify().await });
}
