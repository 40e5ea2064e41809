//! Decides by type what a token cannot tell: whether a type has a shape, and whether it is a byte run.
//!
//! An expansion holds the user's types, not what they implement. Where these types are concrete, rustc
//! decides: an inherent item whose bound holds goes before the item of a trait with the same name. So
//! `Of::<T>::SHAPE` is `T`'s own shape if it has one, and its name if not. Inside generic code the
//! parameter's bounds decide.

use std::any::type_name;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::run::{ReadRun, Run};
use super::{Child, Kind, Node, Shape};

/// What is known about `T`, by type. Only expansions name it.
#[derive(Debug)]
pub struct Of<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized> Of<T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Shape + ?Sized> Of<T> {
    /// The type's own shape.
    pub const SHAPE: Child = T::shape;
}

/// The shape of a type that has none: `opaque(<type name>)`.
pub trait Unshaped {
    /// The type's name.
    const SHAPE: Child;
}

impl<T: ?Sized> Unshaped for Of<T> {
    const SHAPE: Child = foreign::<T>;
}

fn foreign<T: ?Sized>() -> &'static Node {
    const { &Node(Kind::Foreign(type_name::<T>)) }
}

impl<T: Run + ?Sized> Of<T> {
    /// Writes a byte run.
    ///
    /// # Errors
    ///
    /// The serializer's own.
    pub fn serialize<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.write_run(serializer)
    }

    /// Reads a byte run.
    ///
    /// # Errors
    ///
    /// The deserializer's own.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>
    where
        T: ReadRun<'de>,
    {
        T::read_run(deserializer)
    }
}

/// How a type that is no byte run is written and read: as serde does it.
pub trait ByElement<T: ?Sized> {
    /// `T`'s own `Serialize`.
    ///
    /// # Errors
    ///
    /// The serializer's own.
    fn serialize<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        value.serialize(serializer)
    }

    /// `T`'s own `Deserialize`.
    ///
    /// # Errors
    ///
    /// The deserializer's own.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de>,
    {
        T::deserialize(deserializer)
    }
}

impl<T: ?Sized> ByElement<T> for Of<T> {}
