use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

struct Worker(std::cell::Cell<u32>);

impl Auth for Worker {
    async fn verify(&self) -> rpc_runtime::Result<()> {
        Ok(())
    }
}

fn main() {}
