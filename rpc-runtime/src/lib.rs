//! Typed calls between Workers.

#[cfg(feature = "host")]
pub mod config;
#[cfg(feature = "host")]
pub mod edge;
mod fetch {
    mod body;

    pub use body::{Body, BodyError};
}

pub use fetch::{Body, BodyError};
