#[derive(rpc_runtime::Env)]
enum GatewayEnv {
    Auth,
}

fn main() {}
