#[derive(rpc_runtime::Env)]
struct GatewayEnv(String);

fn main() {}
