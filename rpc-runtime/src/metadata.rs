//! Words that ride beside the arguments of a call.

use std::{borrow::Cow, sync::Arc};

/// One key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Cow<'static, str>,
    pub(crate) value: Cow<'static, str>,
}

/// Entries that go further than one hop, newest first.
#[derive(Debug)]
pub(crate) struct Travelling {
    pub(crate) entries: Vec<Entry>,
    pub(crate) outer: Option<Arc<Self>>,
}

/// What a client may add to each call, in bytes of keys and values. It is sent with every call, and a callee
/// keeps it as long as it runs: a payload belongs into the arguments.
pub(crate) const BYTES_MAX: usize = 8 * 1024;

/// Sets `key`, replacing what was there.
pub(crate) fn set(entries: &mut Vec<Entry>, key: Cow<'static, str>, value: Cow<'static, str>) {
    entries.retain(|entry| entry.key != key);
    entries.push(Entry { key, value });
}

/// The value of `key` among `entries`.
pub(crate) fn get<'a>(entries: &'a [Entry], key: &str) -> Option<&'a str> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &*entry.value)
}

pub(crate) fn bytes(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.key.len() + entry.value.len()).sum()
}

impl Travelling {
    /// `own` before `outer`, either of which may be missing.
    pub(crate) fn join(own: Option<&Arc<Self>>, outer: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        match (own, outer) {
            (Some(own), Some(outer)) => {
                Some(Arc::new(Self { entries: own.entries.clone(), outer: Some(Arc::clone(outer)) }))
            }
            (only, None) | (None, only) => only.cloned(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        std::iter::successors(Some(self), |list| list.outer.as_deref())
            .find_map(|list| get(&list.entries, key))
    }
}
