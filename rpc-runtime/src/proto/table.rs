//! Calls by a small index, and by their number on the wire.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
};

/// Values under small indexes that are used again; a serial number tells one user of an index from the next.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    by_number: HashMap<u64, u32, BuildHasherDefault<NumberHasher>>,
}

#[derive(Debug)]
struct Entry<T> {
    serial: u64,
    value: Option<T>,
}

/// An index and the serial number of what lay there.
pub(super) type Key = (u32, u64);

impl<T> Table<T> {
    pub(super) fn insert(&mut self, serial: u64, value: T) -> u32 {
        let entry = Entry { serial, value: Some(value) };
        if let Some(index) = self.free.pop() {
            self.entries[index as usize] = entry;
            return index;
        }
        let index = u32::try_from(self.entries.len()).expect("limits of calls are below 2³²");
        self.entries.push(entry);
        index
    }

    /// Makes the value at `index` known by its number on the wire.
    pub(super) fn name(&mut self, index: u32, number: u64) {
        self.by_number.insert(number, index);
    }

    pub(super) fn index_of(&self, number: u64) -> Option<u32> {
        self.by_number.get(&number).copied()
    }

    pub(super) fn get(&self, (index, serial): Key) -> Option<&T> {
        let entry = self.entries.get(index as usize).filter(|entry| entry.serial == serial)?;
        entry.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, (index, serial): Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(index as usize).filter(|entry| entry.serial == serial)?;
        entry.value.as_mut()
    }

    /// What lies at an index that [`index_of`](Self::index_of) gave, and its serial number.
    pub(super) fn at_mut(&mut self, index: u32) -> Option<(u64, &mut T)> {
        let entry = self.entries.get_mut(index as usize)?;
        Some((entry.serial, entry.value.as_mut()?))
    }

    /// Takes a value out, and forgets its number if it has one.
    pub(super) fn remove(&mut self, (index, serial): Key, number: Option<u64>) -> Option<T> {
        let entry = self.entries.get_mut(index as usize).filter(|entry| entry.serial == serial)?;
        let value = entry.value.take()?;
        self.free.push(index);
        if let Some(number) = number {
            self.by_number.remove(&number);
        }
        Some(value)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        let filled = self.entries.iter().enumerate().filter(|(_, entry)| entry.value.is_some());
        filled.map(|(index, entry)| (index as u32, entry.serial))
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<T>>()
            + self.free.capacity() * 4
            + self.by_number.capacity() * 19
    }

    /// Gives the memory of an empty table back. Serial numbers are not the table's, so that nothing repeats.
    pub(super) fn trim(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), by_number: HashMap::default() }
    }
}

/// Spreads numbers that a peer counts up by one: it cannot choose them, so nothing is lost by a fixed function.
#[derive(Debug, Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2⁶⁴ divided by the golden ratio: neighbours land far from each other, in the upper bits too.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

/// Keys that wait in line. One that is no longer meant stays until its turn, or until half of the line is such.
#[derive(Debug, Default)]
pub(super) struct Line {
    keys: VecDeque<Key>,
    stale: usize,
}

impl Line {
    pub(super) fn push(&mut self, key: Key) {
        self.keys.push_back(key);
    }

    pub(super) fn front(&self) -> Option<Key> {
        self.keys.front().copied()
    }

    pub(super) fn pop(&mut self) {
        self.keys.pop_front();
    }

    /// Takes the front away, which turned out to be one that was [left](Self::leave).
    pub(super) fn pop_stale(&mut self) {
        self.keys.pop_front();
        self.stale = self.stale.saturating_sub(1);
    }

    /// One key is no longer meant; `is_meant` tells which still are.
    pub(super) fn leave(&mut self, is_meant: impl Fn(Key) -> bool) {
        self.stale += 1;
        if self.stale * 2 > self.keys.len() + STALE_MAX {
            self.keys.retain(|&key| is_meant(key));
            self.stale = 0;
        }
    }

    /// Those that are still meant.
    pub(super) fn len(&self) -> usize {
        self.keys.len().saturating_sub(self.stale)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn keys_len(&self) -> usize {
        self.keys.len()
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Key>()
    }

    pub(super) fn trim(&mut self) {
        if self.len() == 0 {
            self.clear();
        }
    }
}

const STALE_MAX: usize = 32;
