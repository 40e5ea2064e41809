use rpc_runtime::service;

#[service]
pub trait Auth
where
    Self: Sized,
 {}

fn main() {}
