use rpc_runtime::service;

#[service]
pub trait Auth {
    const ATTEMPTS: u32;
}

fn main() {}
