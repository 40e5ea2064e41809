use rpc_runtime::service;

#[service]
pub trait Auth {
    concat!();
}

fn main() {}
