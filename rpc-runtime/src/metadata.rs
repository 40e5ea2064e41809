//! Words that ride beside the arguments of a call.

use std::{borrow::Cow, sync::Arc};

/// One key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Cow<'static, str>,
    pub(crate) value: Cow<'static, str>,
}

/// Entries that go further than one hop.
#[derive(Debug)]
pub(crate) struct Travelling {
    pub(crate) entries: Vec<Entry>,
    /// Those of a client further up, once there are more of these than an [`Inherited`] has room for.
    outer: Option<Arc<Self>>,
}

/// What came from further up: the entries of each client on the way, nearest first.
///
/// As many of them as usual stand side by side, so that a call joins its client's to them without an allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inherited([Option<Arc<Travelling>>; SIDE_BY_SIDE]);

/// A chain of Workers in which more clients than these propagate something costs an allocation for each further one.
const SIDE_BY_SIDE: usize = 4;

/// What a client may add to each call, in bytes of keys and values. It is sent with every call, and a callee
/// keeps it as long as it runs: a payload belongs into the arguments.
pub(crate) const BYTES_MAX: usize = 8 * 1024;

/// Sets `key`, replacing what was there.
pub(crate) fn set(entries: &mut Vec<Entry>, key: Cow<'static, str>, value: Cow<'static, str>) {
    unset(entries, &key);
    entries.push(Entry { key, value });
}

/// The value of `key` among `entries`.
pub(crate) fn get<'a>(entries: &'a [Entry], key: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
}

pub(crate) fn bytes(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.key.len() + entry.value.len()).sum()
}

/// Leaves `key` out.
pub(crate) fn unset(entries: &mut Vec<Entry>, key: &str) {
    entries.retain(|entry| entry.key != key);
}

impl Travelling {
    /// What a client propagates, if it does.
    pub(crate) fn of(entries: &[Entry]) -> Option<Arc<Self>> {
        (!entries.is_empty()).then(|| Arc::new(Self { entries: entries.to_vec(), outer: None }))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.lists().find_map(|list| get(&list.entries, key))
    }

    /// All entries, the nearest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.lists().flat_map(|list| &list.entries)
    }

    fn lists(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |list| list.outer.as_deref())
    }
}

impl Inherited {
    /// These, and before them those of a client.
    pub(crate) fn joined(&self, own: Option<&Arc<Travelling>>) -> Self {
        let mut joined = self.clone();
        let Some(own) = own else { return joined };
        let lists = &mut joined.0;
        lists.rotate_right(1);
        let furthest = lists[0].replace(Arc::clone(own));
        if let (Some(outer), Some(inner)) = (furthest, lists[SIDE_BY_SIDE - 1].as_mut()) {
            *inner = Arc::new(Travelling { entries: inner.entries.clone(), outer: Some(outer) });
        }
        joined
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().flatten().find_map(|list| list.get(key))
    }

    /// All entries, the nearest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().flatten().flat_map(|list| list.all())
    }
}
