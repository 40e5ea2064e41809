#[rpc_runtime::message]
struct Duration {
    #[serde(getter = "std::time::Duration::as_secs")]
    secs: u64,
}

fn main() {}
