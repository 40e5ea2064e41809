use rpc_runtime::service;

#[service(deadline = "2s")]
pub trait Auth {}

fn main() {}
