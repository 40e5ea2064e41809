#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    greeting: &'static str,
}

fn main() {}
