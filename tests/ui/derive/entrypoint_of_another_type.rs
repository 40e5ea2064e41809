use rpc_runtime::{Result, service};

#[service]
trait Auth {
    async fn verify(&self, token: &str) -> Result<bool>;
}

#[derive(rpc_runtime::Env)]
struct GatewayEnv {
    #[env(entrypoint = "Admin")]
    auth: AuthClient,
}

fn main() {}
