#[rpc_runtime::message]
struct Holder {
    #[rpc(bytes, opaque = "packed 1")]
    bytes: Vec<u8>,
}

fn main() {}
