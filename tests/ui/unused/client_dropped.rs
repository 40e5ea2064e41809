#![deny(unused_must_use)]

use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

struct Worker;

impl Auth for Worker {
    async fn verify(&self) -> rpc_runtime::Result<()> {
        Ok(())
    }
}

fn main() {
    AuthClient::new(Worker);
}
