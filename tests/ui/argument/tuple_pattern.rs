use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, (user, token): (u64, String)) -> rpc_runtime::Result<()>;
}

fn main() {}
