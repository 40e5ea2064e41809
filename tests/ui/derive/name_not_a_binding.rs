#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    #[env(name = "the greeting")]
    greeting: String,
}

fn main() {}
