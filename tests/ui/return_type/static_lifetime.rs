use rpc_runtime::{message, service};

#[message]
pub struct Query<'a> {
    text: &'a str,
}

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<Query<'static>>;
}

fn main() {}
