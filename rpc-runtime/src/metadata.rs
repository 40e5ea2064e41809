//! Words that ride beside the arguments of a call.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use crate::error::Exceeded;

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

/// What a call may carry, in bytes of keys and values. It is sent with every call, and a callee keeps it as long as it
/// runs: a payload belongs into the arguments.
pub(crate) const BYTES_MAX: usize = 8 * 1024;

/// How many entries a call may carry: as many as the protocol takes.
pub(crate) const ENTRIES_MAX: usize = 64;

/// Sets `key`, replacing what was there.
pub(crate) fn set(entries: &mut Vec<Entry>, key: Cow<'static, str>, value: Cow<'static, str>) {
    unset(entries, &key);
    entries.push(Entry { key, value });
}

/// The value of `key` among `entries`.
pub(crate) fn get<'a>(entries: &'a [Entry], key: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
}

/// Whether a call with these entries carries more than it may, and by how much. Of entries with one key the first
/// counts.
pub(crate) fn excess<'a>(entries: impl Iterator<Item = &'a Entry> + Clone) -> Option<Exceeded> {
    // As good as always that is enough, and allocates nothing.
    exceeds(total(entries.clone()))?;
    let mut keys = HashSet::new();
    exceeds(total(entries.filter(|entry| keys.insert(&*entry.key))))
}

/// Somebody else has counted, and says that it is too much.
pub(crate) fn unknown_excess() -> Exceeded {
    Exceeded::new(format!("entries or {BYTES_MAX} bytes of metadata"), ENTRIES_MAX as u64)
}

fn total<'a>(entries: impl Iterator<Item = &'a Entry>) -> (usize, usize) {
    entries.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.key.len() + entry.value.len()))
}

fn exceeds((count, bytes): (usize, usize)) -> Option<Exceeded> {
    if bytes > BYTES_MAX {
        return Some(Exceeded::new("bytes of metadata", BYTES_MAX as u64).by(bytes as u64));
    }
    (count > ENTRIES_MAX).then(|| Exceeded::new("entries of metadata", ENTRIES_MAX as u64).by(count as u64))
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
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.lists().flat_map(|list| &list.entries)
    }

    fn lists(&self) -> impl Iterator<Item = &Self> + Clone {
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
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.0.iter().flatten().flat_map(|list| list.all())
    }
}
