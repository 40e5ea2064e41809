use rpc_runtime::service;

#[service]
pub trait Auth {
    type User;
}

fn main() {}
