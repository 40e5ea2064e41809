use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self, 
        /// What the user shows.
        token: &str,
    ) -> rpc_runtime::Result<()>;
}

fn main() {}
