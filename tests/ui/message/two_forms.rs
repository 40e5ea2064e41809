#[rpc_runtime::message]
struct Holder {
    #[rpc(shape = u64, opaque = "id 1")]
    id: u64,
}

fn main() {}
