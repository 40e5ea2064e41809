#[derive(rpc_runtime::Env)]
#[env(secret)]
struct GatewayEnv {
    greeting: String,
}

fn main() {}
