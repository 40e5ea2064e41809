use rpc_runtime::service;

#[service]
pub trait Auth: std::fmt::Debug {}

fn main() {}
