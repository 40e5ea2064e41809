#[rpc_runtime::message]
#[serde(crate = "my::serde")]
struct User {
    id: u64,
}

fn main() {}
