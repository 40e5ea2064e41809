#[rpc_runtime::message]
enum State {
    #[serde(skip)]
    Local,
    A,
    B,
}

fn main() {}
