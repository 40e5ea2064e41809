mod millis {}

#[rpc_runtime::message]
struct Job {
    #[serde(with = "millis")]
    timeout: std::time::Duration,
}

fn main() {}
