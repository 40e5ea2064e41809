use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, #[cfg(unix)] token: &str) -> rpc_runtime::Result<()>;
}

fn main() {}
