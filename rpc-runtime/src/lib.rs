//! Typed calls between Workers.

#[cfg(feature = "host")]
pub mod config;
mod fetch {
    mod body;

    pub use body::{Body, BodyError};
}

pub use fetch::{Body, BodyError};
