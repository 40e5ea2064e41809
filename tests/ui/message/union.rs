#[rpc_runtime::message]
union Bits {
    a: u32,
    b: f32,
}

fn main() {}
