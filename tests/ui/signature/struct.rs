use rpc_runtime::service;

#[service]
pub struct Auth;

fn main() {}
