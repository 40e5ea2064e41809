#[rpc_runtime::message]
fn user() {}

fn main() {}
