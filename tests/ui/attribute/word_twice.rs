use rpc_runtime::service;

#[service(local, local)]
pub trait Auth {}

fn main() {}
