use rpc_runtime::service;

#[service]
#[rpc(rename = "Login")]
pub trait Auth {}

fn main() {}
