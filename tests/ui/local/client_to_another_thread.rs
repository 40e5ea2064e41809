use rpc_runtime::service;

#[service(local)]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}

fn elsewhere(auth: AuthClient) {
    std::thread::spawn(move || drop(auth));
}
