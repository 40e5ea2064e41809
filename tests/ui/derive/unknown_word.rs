#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    #[env(nmae = "GREETING")]
    greeting: String,
}

fn main() {}
