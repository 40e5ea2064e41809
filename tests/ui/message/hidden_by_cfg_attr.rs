#[rpc_runtime::message]
struct User {
    #[cfg_attr(test, serde(rename = "uid"))]
    id: u64,
}

fn main() {}
