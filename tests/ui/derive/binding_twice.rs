#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    greeting: String,
    #[env(name = "GREETING")]
    farewell: String,
}

fn main() {}
