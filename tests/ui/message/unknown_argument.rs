#[rpc_runtime::message(rename = "user")]
struct User {
    id: u64,
}

fn main() {}
