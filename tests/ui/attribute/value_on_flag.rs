use rpc_runtime::service;

#[service(local = true)]
pub trait Auth {}

fn main() {}
