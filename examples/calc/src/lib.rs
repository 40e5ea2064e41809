//! The contract of a calculator: all that its server and its callers have in common.

use rpc_runtime::{message, service};

/// Why there is no result.
#[message]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalcError {
    /// The divisor is 0.
    #[error("{dividend} cannot be divided by 0")]
    DividedByZero {
        /// What was to be divided.
        dividend: i64,
    },
    /// The question did not get through, or the answer did not get back.
    #[error(transparent)]
    Rpc(#[from] rpc_runtime::Error),
}

/// Calculates.
#[service]
pub trait Calc {
    /// The quotient, rounded towards 0.
    #[rpc(idempotent)]
    async fn divide(&self, dividend: i64, divisor: i64) -> Result<i64, CalcError>;

    /// The sum of all numbers; it wraps around.
    #[rpc(idempotent)]
    async fn sum(&self, numbers: &[i64]) -> Result<i64, CalcError>;
}
