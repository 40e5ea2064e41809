#[rpc_runtime::message]
struct User {
    id: u64,
    #[serde(skip_deserializing)]
    cached: bool,
}

fn main() {}
