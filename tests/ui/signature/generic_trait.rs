use rpc_runtime::service;

#[service]
pub trait Auth<User> {}

fn main() {}
