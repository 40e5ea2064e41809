//! Counts what each thread asks of the allocator.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// Allocations of one thread, frees not subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Calls of `alloc`, `alloc_zeroed` and `realloc`.
    pub count: u64,
    /// Sum of the sizes asked for, in bytes.
    pub bytes: u64,
}

impl Allocations {
    /// What this thread has allocated since it started.
    pub fn so_far() -> Self {
        ALLOCATIONS.get()
    }

    /// What was allocated after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }

    fn record(bytes: usize) {
        let so_far = ALLOCATIONS.get();
        ALLOCATIONS.set(Self { count: so_far.count + 1, bytes: so_far.bytes + bytes as u64 });
    }
}

thread_local! {
    // `const` and without `Drop`: reading it never allocates and is valid until the thread is gone.
    static ALLOCATIONS: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

/// The system's allocator plus two additions in thread-local memory: no atomic, no lock, so that the
/// rows that allocate are not charged for being counted (about 2 instructions per allocation).
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; every method hands its arguments on unchanged"
)]
// SAFETY: `System` upholds the contract of the trait, and counting neither unwinds nor allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Allocations::record(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same for `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Allocations::record(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same for `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Allocations::record(size);
        // SAFETY: `block` came from this allocator, that is from `System`, with the same layout.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from this allocator, that is from `System`, with the same layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_counted_once_with_its_size() {
        let before = Allocations::so_far();
        let mut bytes = std::hint::black_box(Vec::<u8>::with_capacity(100));
        bytes.reserve_exact(200);
        drop(bytes);
        assert_eq!(Allocations::so_far().since(before), Allocations { count: 2, bytes: 300 });
    }
}
