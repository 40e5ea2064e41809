#[derive(rpc_runtime::Env)]
struct GatewayEnv<'a> {
    #[env(secrte)]
    api_key: rpc_runtime::Secret,
    #[env(name = "1")]
    greeting: String,
    #[env(name = "GREETER")]
    welcome: &'a str,
    greeter: String,
}

fn main() {}
