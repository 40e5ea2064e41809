//! A lint about a method is shown at the method.
#![deny(missing_docs)]

use rpc_runtime::service;

/// Tells who somebody is.
#[service]
pub trait Auth {
    /// Who the token belongs to.
    async fn verify(&self, token: &str) -> rpc_runtime::Result<u64>;
    async fn forget(&self, token: &str) -> rpc_runtime::Result<()>;
}

fn main() {}
