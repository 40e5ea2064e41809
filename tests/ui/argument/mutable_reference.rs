use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, attempts: &mut u32) -> rpc_runtime::Result<()>;
}

fn main() {}
