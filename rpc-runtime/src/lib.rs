//! Typed calls between Workers.

mod fetch {
    mod body;

    pub use body::{Body, BodyError};
}

pub use fetch::{Body, BodyError};
