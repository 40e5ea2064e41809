use rpc_runtime::{message, service};

#[message]
pub struct User {
    id: u64,
}

#[service]
pub trait Auth {
    async fn verify(&self, user: Option<&User>) -> rpc_runtime::Result<()>;
}

fn main() {}
