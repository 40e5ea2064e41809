use rpc_runtime::service;

pub struct Refused;

impl From<rpc_runtime::Error> for Refused {
    fn from(_: rpc_runtime::Error) -> Self {
        Self
    }
}

#[service]
pub trait Auth {
    async fn verify(&self) -> Result<(), Refused>;
}

fn main() {}
