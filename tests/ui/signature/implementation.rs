use rpc_runtime::service;

struct Worker;

#[service]
impl Worker {}

fn main() {}
