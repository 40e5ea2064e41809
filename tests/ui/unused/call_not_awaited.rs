#![deny(unused_must_use)]

use rpc_runtime::service;

#[service]
pub trait Auth {
    async fn verify(&self) -> rpc_runtime::Result<()>;
}

fn main() {}

pub async fn check(auth: &AuthClient) {
    auth.verify();
}
