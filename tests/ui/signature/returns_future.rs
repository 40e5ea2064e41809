use rpc_runtime::service;

#[service]
pub trait Auth {
    fn verify(&self) -> impl Future<Output = rpc_runtime::Result<()>>;
}

fn main() {}
