#[rpc_runtime::message]
struct Cache(#[serde(skip)] u64);

fn main() {}
