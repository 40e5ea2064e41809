use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<std::borrow::Cow<'_, str>, rpc_runtime::Error>;
}

fn main() {}
