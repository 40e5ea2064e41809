//! Shapes of other crates' types: `bytes` always, the rest by a feature of the crate's name.
//!
//! A type whose bytes mean more than their form says is opaque, with the version that decides them.

use bytes::{Bytes, BytesMut};

use super::{Node, Shape};

macro_rules! shapes {
    ($($(#[$cfg:meta])? $({$generic:ident: $bound:path})? $ty:ty => $node:expr;)*) => {$(
        $(#[$cfg])?
        impl$(<$generic: $bound>)? Shape for $ty {
            const NODE: Node = $node;
        }
    )*};
}

shapes! {
    Bytes => Node::bytes();
    BytesMut => Node::bytes();

    #[cfg(feature = "uuid")] uuid::Uuid => Node::opaque("uuid 1");
    #[cfg(feature = "chrono")] {Z: chrono::TimeZone} chrono::DateTime<Z> => Node::opaque("chrono 0.4 DateTime");
    #[cfg(feature = "chrono")] chrono::NaiveDateTime => Node::opaque("chrono 0.4 NaiveDateTime");
    #[cfg(feature = "chrono")] chrono::NaiveDate => Node::opaque("chrono 0.4 NaiveDate");
    #[cfg(feature = "chrono")] chrono::NaiveTime => Node::opaque("chrono 0.4 NaiveTime");
}
