//! Values that the instances of all threads share.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    sync::Arc,
};

/// What was given to [`Host::shared`](super::Host::shared): an `Arc` of each type.
#[derive(Clone, Default)]
pub(super) struct Shared(Vec<Value>);

#[derive(Clone)]
struct Value {
    of: TypeId,
    name: &'static str,
    /// The `Arc<T>`.
    value: Arc<dyn Any + Send + Sync>,
}

impl Shared {
    pub(super) fn add<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.push(Value { of: TypeId::of::<Arc<T>>(), name: type_name::<T>(), value: Arc::new(value) });
    }

    /// The `Arc` of that type.
    pub(super) fn find(&self, of: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        self.0.iter().find(|value| value.of == of).map(|value| &*value.value)
    }

    /// The names of types of which there are two.
    pub(super) fn twice(&self) -> impl Iterator<Item = &'static str> {
        let twice = |(at, value): &(usize, &Value)| self.0[..*at].iter().any(|other| other.of == value.of);
        self.0.iter().enumerate().filter(twice).map(|(_, value)| value.name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|value| value.name)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
