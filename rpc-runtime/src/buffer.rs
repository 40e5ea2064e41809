//! Memory that is used again, by thread.
//!
//! Small values are written, copied into a batch, and gone: their buffers hold the next ones, so that a call in the
//! steady state asks the allocator for nothing. Large values are kept from the allocator for another reason: it gives
//! their pages back to the system, and every value then pays for fresh ones (an echo of 1 MiB took 1.45 ms of both ends
//! with it and 0.43 ms without).

use std::{
    cell::RefCell,
    mem,
    time::{Duration, Instant},
};

use bytes::Bytes;

/// A larger buffer is not kept for small values.
const SMALL_BYTES_MAX: usize = 1024;

/// How many buffers for small values a thread keeps: at most 256 KiB.
const SMALL_MAX: usize = 256;

/// A shorter block is not kept: the allocator keeps it itself.
const BLOCK_BYTES_MIN: usize = 64 << 10;

/// What a thread keeps in blocks, in bytes: the largest value that travels and some smaller ones. To give 32 MiB back
/// to the system takes 6 ms, in which the calls of the thread stand still, and to get them again as long.
const BLOCKS_BYTES_MAX: usize = 40 << 20;

/// Longer than it takes a busy thread to need one again.
const KEPT_FOR: Duration = Duration::from_secs(10);

thread_local! {
    static SMALL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static BLOCKS: RefCell<Blocks> = const { RefCell::new(Blocks::new()) };
}

/// Those that came back last are the last.
struct Blocks {
    blocks: Vec<Vec<u8>>,
    /// What they take together.
    bytes: usize,
    /// Whether one was asked for since [`trim_unused`] looked last.
    used: bool,
    looked_at: Option<Instant>,
}

impl Blocks {
    const fn new() -> Self {
        Self { blocks: Vec::new(), bytes: 0, used: false, looked_at: None }
    }
}

/// An empty buffer for a value that is likely to be small.
#[inline]
pub(crate) fn small() -> Vec<u8> {
    SMALL.try_with(|free| free.try_borrow_mut().ok()?.pop()).ok().flatten().unwrap_or_default()
}

/// Keeps a buffer that nobody needs any more. On a thread whose locals are gone it goes back to the allocator.
#[inline]
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() > SMALL_BYTES_MAX {
        return give_block(buffer);
    }
    if buffer.capacity() > 0 {
        buffer.clear();
        let _gone = SMALL.try_with(|free| {
            if let Ok(mut free) = free.try_borrow_mut()
                && free.len() < SMALL_MAX
            {
                free.push(buffer);
            }
        });
    }
}

/// A block with room for so many bytes, and for at most twice as many, if this thread has one. What stands in it is
/// old: it is there to be overwritten, because what was written once need not be cleared to be read into.
pub(crate) fn block(bytes: usize) -> Option<Vec<u8>> {
    if bytes < BLOCK_BYTES_MIN {
        return None;
    }
    let block = BLOCKS.try_with(|blocks| {
        let mut blocks = blocks.try_borrow_mut().ok()?;
        let fits = |block: &Vec<u8>| (bytes..=bytes.saturating_mul(2)).contains(&block.capacity());
        let at = blocks.blocks.iter().rposition(fits)?;
        let block = blocks.blocks.remove(at);
        blocks.bytes -= block.capacity();
        blocks.used = true;
        Some(block)
    });
    block.ok().flatten()
}

/// The same bytes, in a block if they are many.
pub(crate) fn copied(bytes: &[u8]) -> Vec<u8> {
    match block(bytes.len()) {
        Some(mut block) => {
            block.clear();
            block.extend_from_slice(bytes);
            block
        }
        None => bytes.to_vec(),
    }
}

/// Bytes whose memory, if it is much, holds others once nobody has a part of them any more.
pub(crate) fn shared(bytes: Vec<u8>) -> Bytes {
    if bytes.capacity() < BLOCK_BYTES_MIN { bytes.into() } else { Bytes::from_owner(Shared(bytes)) }
}

/// Gives the blocks of this thread back to the allocator.
pub(crate) fn trim() {
    let _gone = BLOCKS.try_with(|blocks| {
        if let Ok(mut blocks) = blocks.try_borrow_mut() {
            *blocks = Blocks::new();
        }
    });
}

/// The same, if none was asked for in the last ten seconds. Whoever is called now and then on a thread calls this.
pub(crate) fn trim_unused(now: Instant) {
    let _gone = BLOCKS.try_with(|blocks| {
        let Ok(mut blocks) = blocks.try_borrow_mut() else { return };
        if blocks.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= KEPT_FOR) {
            if !mem::take(&mut blocks.used) {
                *blocks = Blocks::new();
            }
            blocks.looked_at = Some(now);
        }
    });
}

fn give_block(block: Vec<u8>) {
    if !(BLOCK_BYTES_MIN..=BLOCKS_BYTES_MAX).contains(&block.capacity()) {
        return;
    }
    let _gone = BLOCKS.try_with(|blocks| {
        let Ok(mut blocks) = blocks.try_borrow_mut() else { return };
        blocks.bytes += block.capacity();
        blocks.blocks.push(block);
        // The oldest go: sizes that nobody asks for any more do not stay.
        while blocks.bytes > BLOCKS_BYTES_MAX {
            let oldest = blocks.blocks.remove(0);
            blocks.bytes -= oldest.capacity();
        }
    });
}

struct Shared(Vec<u8>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        give_block(mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_value_lies_where_the_last_one_lay() {
        let first = shared(vec![1; 100_000]);
        let (at, part) = (first.as_ptr(), first.slice(10..20));
        drop(first);
        assert_eq!(block(100_000), None, "a part of it is still there");
        drop(part);
        assert_eq!(block(200_001), None, "it has no room for more");
        assert_eq!(block(49_999), None, "it is not wasted on less than a half");
        let again = copied(&[2; 70_000]);
        assert_eq!((again.as_ptr(), again.len()), (at, 70_000));
        assert_eq!(again, [2; 70_000]);
    }

    #[test]
    fn a_thread_keeps_so_much_and_no_more() {
        for _ in 0..50 {
            give(vec![0; 1 << 20]);
        }
        give(vec![0; BLOCKS_BYTES_MAX + 1]);
        let kept = std::iter::from_fn(|| block(1 << 20)).count();
        assert_eq!(kept, BLOCKS_BYTES_MAX >> 20);
        give(vec![0; 1 << 20]);
        trim();
        assert_eq!(block(1 << 20), None);
    }

    #[test]
    fn blocks_that_nobody_asks_for_do_not_stay() {
        let begin = Instant::now();
        let after = |seconds| trim_unused(begin + Duration::from_secs(seconds));
        give(block(1 << 20).unwrap_or_else(|| vec![0; 1 << 20]));
        after(0);
        assert_eq!(block(1 << 20), None, "nobody has asked for it before");
        for seconds in [5, 10, 19] {
            give(vec![0; 1 << 20]);
            after(seconds);
            assert!(block(1 << 20).is_some(), "after {seconds} s");
        }
        give(vec![0; 1 << 20]);
        after(20);
        after(29);
        assert!(block(1 << 20).is_some());
        give(vec![0; 1 << 20]);
        after(30);
        after(40);
        assert_eq!(block(1 << 20), None);
    }

    #[test]
    fn a_small_buffer_comes_back_empty() {
        let mut buffer = Vec::with_capacity(100);
        buffer.extend_from_slice(b"old");
        let at = buffer.as_ptr();
        give(buffer);
        let again = small();
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        assert_eq!(small().capacity(), 0, "there was one");
    }
}
