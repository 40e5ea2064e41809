#[rpc_runtime::message]
struct User {
    id: u64,
    #[serde(skip_serializing)]
    password: String,
}

fn main() {}
