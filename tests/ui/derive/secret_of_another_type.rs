#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    #[env(secret)]
    api_key: String,
}

fn main() {}
