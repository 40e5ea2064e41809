#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    #[env(crate = "::rpc_runtime")]
    greeting: String,
}

fn main() {}
