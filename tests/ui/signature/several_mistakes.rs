use rpc_runtime::service;

#[service]
pub trait Auth: Clone {
    async fn fetch(&self, token: &mut String) -> rpc_runtime::Result<()>;

    #[rpc(idempotant)]
    async fn verify(self, _: u32);
}

fn main() {}
