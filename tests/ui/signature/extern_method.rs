use rpc_runtime::service;

#[service]
pub trait Auth {
    async extern "C" fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}
