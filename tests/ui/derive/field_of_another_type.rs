struct Rate {
    per_second: u32,
}

#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    rate: Rate,
}

fn main() {}
