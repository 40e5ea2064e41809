use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

struct Worker;

impl Auth for Worker {
    async fn verify(&self) -> rpc_runtime::Result<()> {
        let count = std::rc::Rc::new(1);
        std::future::ready(()).await;
        drop(count);
        Ok(())
    }
}

fn main() {}
