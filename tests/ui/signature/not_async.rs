use rpc_runtime::service;

#[service]
pub trait Auth {
    fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
