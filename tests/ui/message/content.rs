#[rpc_runtime::message]
#[serde(content = "value")]
enum Event {
    Start,
}

fn main() {}
