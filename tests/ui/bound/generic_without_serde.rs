use rpc_runtime::{message, service};

#[message]
pub struct User {
    id: u64,
}

pub struct Page<T> {
    items: Vec<T>,
}

#[service]
pub trait Auth {
    async fn verify(&self, page: Page<User>) -> rpc_runtime::Result<()>;
}

fn main() {}
