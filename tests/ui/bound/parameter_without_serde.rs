use rpc_runtime::{message, service};

#[message]
pub struct Page<T> {
    items: Vec<T>,
}

pub struct Opaque;

#[service]
pub trait Auth {
    async fn verify(&self, page: Page<Opaque>) -> rpc_runtime::Result<()>;
}

fn main() {}
