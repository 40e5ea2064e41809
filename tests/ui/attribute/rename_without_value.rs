use rpc_runtime::service;

#[service(rename)]
pub trait Auth {}

fn main() {}
