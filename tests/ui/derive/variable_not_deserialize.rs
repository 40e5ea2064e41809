use rpc_runtime::{Env, Json};

struct Rate {
    per_second: u32,
}

#[derive(Env)]
struct GatewayEnv {
    rate: Json<Rate>,
}

fn main() {}
