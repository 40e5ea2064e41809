use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, #[rpc(defualt)] token: &str) -> rpc_runtime::Result<()>;
}

fn main() {}
