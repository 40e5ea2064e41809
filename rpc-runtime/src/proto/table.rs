//! Calls by a small index, and by their number on the wire.

use std::collections::{HashMap, VecDeque};

/// Values under small indexes that are used again; a serial number tells one user of an index from the next.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    numbers: Numbers,
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
        let index = u32::try_from(self.entries.len()).expect("fewer than 2³² calls are under way");
        self.entries.push(entry);
        index
    }

    /// Makes the value at `index` known by its number on the wire, which is greater by one than the one before.
    pub(super) fn name(&mut self, index: u32, number: u64) {
        self.numbers.insert(number, index);
    }

    pub(super) fn index_of(&self, number: u64) -> Option<u32> {
        self.numbers.get(number)
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

    /// Drops a value where it lies, and forgets its number if it has one. Whoever needs something of it has read that
    /// before, which takes less than moving it out.
    pub(super) fn remove(&mut self, (index, serial): Key, number: Option<u64>) {
        let entry = self.entries.get_mut(index as usize).filter(|entry| entry.serial == serial);
        let Some(entry) = entry.filter(|entry| entry.value.is_some()) else { return };
        entry.value = None;
        self.free.push(index);
        if let Some(number) = number {
            self.numbers.remove(number);
        }
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
        self.entries.capacity() * size_of::<Entry<T>>() + self.free.capacity() * 4 + self.numbers.heap_bytes()
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
        Self { entries: Vec::new(), free: Vec::new(), numbers: Numbers::default() }
    }
}

/// Indexes by numbers that come one after the other, and go in any order.
///
/// Recent ones lie side by side, so that a number is found by a subtraction. Those of calls that outlive thousands of
/// others move into a map.
#[derive(Debug, Default)]
struct Numbers {
    /// The number of the first of the recent.
    first: u64,
    recent: VecDeque<u32>,
    /// Of the recent ones, those that are still meant.
    live: usize,
    old: HashMap<u64, u32>,
}

impl Numbers {
    fn insert(&mut self, number: u64, index: u32) {
        if self.recent.is_empty() {
            self.first = number;
        }
        debug_assert_eq!(number, self.first + self.recent.len() as u64, "numbers come one after the other");
        self.recent.push_back(index);
        self.live += 1;
        if self.recent.len() > RECENT_MAX && self.recent.len() > 4 * self.live {
            self.shift();
        }
    }

    fn get(&self, number: u64) -> Option<u32> {
        let Some(at) = number.checked_sub(self.first) else { return self.old.get(&number).copied() };
        let index = usize::try_from(at).ok().and_then(|at| self.recent.get(at));
        index.copied().filter(|&index| index != GONE)
    }

    fn remove(&mut self, number: u64) {
        let Some(at) = number.checked_sub(self.first) else {
            self.old.remove(&number);
            return;
        };
        let index = usize::try_from(at).ok().and_then(|at| self.recent.get_mut(at));
        if let Some(index) = index.filter(|index| **index != GONE) {
            *index = GONE;
            self.live -= 1;
            while self.recent.front() == Some(&GONE) {
                self.recent.pop_front();
                self.first += 1;
            }
        }
    }

    /// Moves the first of the recent, which has outlived most others, and those that are gone behind it.
    fn shift(&mut self) {
        while let Some(index) = self.recent.pop_front() {
            if index != GONE {
                self.old.insert(self.first, index);
                self.live -= 1;
            }
            self.first += 1;
            if self.recent.front() != Some(&GONE) {
                break;
            }
        }
    }

    #[cfg(test)]
    fn heap_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<u32>() + self.old.capacity() * 2 * size_of::<(u64, u32)>()
    }
}

/// The index of a number that is no longer meant.
const GONE: u32 = u32::MAX;

const RECENT_MAX: usize = 1024;

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
