#[rpc_runtime::message]
struct User {
    #[serde(rename(serialize = "id", deserialize = "uid"))]
    id: u64,
}

fn main() {}
