#[derive(rpc_runtime::Env)]
struct GatewayEnv<'a> {
    greeting: &'a str,
}

fn main() {}
