#[rpc_runtime::message]
struct Bytes {
    inner: u8,
}

#[rpc_runtime::message]
struct Holder {
    bytes: Bytes,
}

fn main() {}
