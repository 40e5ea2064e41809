use rpc_runtime::service;

#[service]
pub trait Auth {
    async unsafe fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
