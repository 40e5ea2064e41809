pub struct Opaque;

#[rpc_runtime::message]
struct Holder {
    opaque: Opaque,
}

fn main() {}
