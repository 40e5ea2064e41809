use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, at: std::time::Instant) -> rpc_runtime::Result<()>;
}

fn main() {}
