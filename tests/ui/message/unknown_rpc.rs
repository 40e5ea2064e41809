#[rpc_runtime::message]
struct User {
    #[rpc(form = "uuid 1")]
    id: u64,
}

fn main() {}
