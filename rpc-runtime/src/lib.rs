//! Typed calls between Workers.

mod cause;
pub mod contract;
pub mod shape;

pub use cause::Cause;
pub use rpc_macros::message;
pub use shape::Shape;

/// What the expansions of the macros name. Not for people: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use serde;

    pub use crate::cause::{Cause, Error, Field, NoCause};
    pub use crate::shape::by_type::{ByElement, Of, Unshaped};
    pub use crate::shape::run::{ReadRun, Run};
    pub use crate::shape::{Fields, Node, Shape};

    /// `#[serde(with = ..)]` of a field that is a run of bytes.
    pub mod run {
        pub use crate::shape::run::{deserialize, serialize};
    }
}
