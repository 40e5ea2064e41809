#[rpc_runtime::message]
struct Pair(u8, #[cfg(test)] u8);

fn main() {}
