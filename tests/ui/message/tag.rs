#[rpc_runtime::message]
#[serde(tag = "kind", content = "value")]
enum Event {
    Start,
    Line(String),
}

fn main() {}
