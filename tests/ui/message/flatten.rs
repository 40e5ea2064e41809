#[rpc_runtime::message]
struct User {
    id: u64,
    #[serde(flatten)]
    address: Address,
}

#[rpc_runtime::message]
struct Address {
    zip: u32,
}

fn main() {}
