#[rpc_runtime::message]
#[serde(remote = "std::time::Duration")]
struct Duration {
    secs: u64,
    nanos: u32,
}

fn main() {}
