#[rpc_runtime::message]
enum State {
    A,
    #[serde(other)]
    Unknown,
}

fn main() {}
