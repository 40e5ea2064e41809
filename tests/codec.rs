//! Bytes from a peer that nobody trusts: no panic, no deep stack, no memory beyond the budget, no long work.
//!
//! What is hostile is read on a thread with 256 KiB of stack, also without optimization.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "codec/bombs.rs"]
mod bombs;
#[path = "codec/limit.rs"]
mod limit;
#[path = "codec/random.rs"]
mod random;
#[path = "codec/zoo.rs"]
mod zoo;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    thread,
};

use rpc_runtime::__private::{Decoder, Encoder, Unread};
use serde::{Deserialize, Serialize};

/// The system's allocator, and what this thread holds.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // Threads allocate while they end, too.
    let held = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        held.get()
    });
    if let Ok(held) = held {
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held)));
    }
}

#[expect(unsafe_code, reason = "an allocator is unsafe to be one; this one passes everything on")]
// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What `act` gives, and the most memory that it held at once beyond what was held before, in bytes.
fn peak<R>(act: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = act();
    (result, (PEAK.get() - before).cast_unsigned())
}

/// Runs on a thread with a small stack.
fn on_small_stack(act: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 << 10).spawn(act).unwrap().join().unwrap();
}

/// Reads one value, and nothing after it.
fn read<'f, T: Deserialize<'f>>(bytes: &'f [u8]) -> Result<T, Unread> {
    read_within(bytes, Decoder::BUDGET)
}

fn read_within<'f, T: Deserialize<'f>>(bytes: &'f [u8], budget: usize) -> Result<T, Unread> {
    let mut from = Decoder::new(bytes).within(budget);
    let value = from.value()?;
    from.finish()?;
    Ok(value)
}

fn write<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut to = Encoder::default();
    to.value(value).unwrap();
    to.finish().chunks().collect::<Vec<_>>().concat()
}
