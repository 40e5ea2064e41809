use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()> {
        Ok(())
    }
}

fn main() {}
