use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

struct Worker;

fn main() {
    AuthClient::new(Worker);
}
