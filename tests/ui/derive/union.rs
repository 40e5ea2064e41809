#[derive(rpc_runtime::Env)]
union GatewayEnv {
    greeting: u8,
}

fn main() {}
