use rpc_runtime::service;

#[service(locale)]
pub trait Auth {}

fn main() {}
