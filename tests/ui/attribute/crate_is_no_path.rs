use rpc_runtime::service;

#[service(crate = "rpc runtime")]
pub trait Auth {}

fn main() {}
