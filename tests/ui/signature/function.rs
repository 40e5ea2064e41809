use rpc_runtime::service;

#[service]
pub async fn verify() -> bool {
    true
}

fn main() {}
