//! The contract of the auth Worker: all that a caller of it needs to know.

use rpc_runtime::{message, service};

/// Who a token belongs to.
#[message]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Stays the same for as long as the account exists.
    pub id: u64,
    /// As the person spells it.
    pub name: String,
}

/// Why a token says nothing about a person.
#[message]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Nobody has this token.
    #[error("the token is refused")]
    Refused,
    /// The question did not get through, or the answer did not get back.
    #[error(transparent)]
    Rpc(#[from] rpc_runtime::Error),
}

/// Knows whom tokens belong to.
#[service]
pub trait Auth {
    /// Who the token belongs to.
    #[rpc(idempotent, deadline = "2s")]
    async fn verify(&self, token: &str) -> Result<User, AuthError>;
}
