use rpc_runtime::service;

#[service]
pub unsafe trait Auth {}

fn main() {}
