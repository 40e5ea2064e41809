//! Memory that is used again: small buffers by thread, large ones by all.
//!
//! Small values are written, copied into a batch, and gone: their buffers hold the next ones, so that a call in the
//! steady state asks the allocator for nothing. Large values are kept from the allocator for another reason: it gives
//! their pages back to the system, and every value then pays for fresh ones (an echo of 1 MiB took 1.45 ms of both ends
//! with it and 0.43 ms without).

use std::{
    cell::RefCell,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

/// A larger buffer is not kept for small values.
const SMALL_BYTES_MAX: usize = 1024;

/// How many buffers for small values a thread keeps: at most 256 KiB.
const SMALL_MAX: usize = 256;

/// A shorter block is not kept: the allocator keeps it itself.
const BLOCK_BYTES_MIN: usize = 64 << 10;

/// What the process keeps in blocks, in bytes: two of the largest values that travel. To give 32 MiB back to the system
/// takes 6 ms, in which the calls of a thread stand still, and to get them again as long.
const BLOCKS_BYTES_MAX: usize = 64 << 20;

/// Longer than it takes a busy session to need one again.
const KEPT_FOR: Duration = Duration::from_secs(10);

thread_local! {
    static SMALL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Of all threads: a value may be made on one, sent by another and dropped on a third, and none of them could tell when
/// the others' blocks are of no use any more. The lock is nothing beside the copying of 64 KiB.
static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks::new());

/// Those that came back last are the last.
#[derive(Default)]
struct Blocks {
    blocks: Vec<Vec<u8>>,
    /// What they take together.
    bytes: usize,
    /// Whether one was asked for since [`trim_unused`] looked last.
    used: bool,
    looked_at: Option<Instant>,
    /// Those that blocks are kept for.
    sessions: usize,
}

/// A session that looks at what is kept. Without one, nothing is.
#[derive(Debug)]
pub(crate) struct Keeping(());

impl Keeping {
    pub(crate) fn new() -> Self {
        blocks().sessions += 1;
        Self(())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let unused = blocks().leave();
        // Without the lock, because it takes its time.
        drop(unused);
    }
}

fn blocks() -> MutexGuard<'static, Blocks> {
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Blocks {
    const fn new() -> Self {
        Self { blocks: Vec::new(), bytes: 0, used: false, looked_at: None, sessions: 0 }
    }

    fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let fits = |block: &Vec<u8>| (bytes..=bytes.saturating_mul(2)).contains(&block.capacity());
        let at = self.blocks.iter().rposition(fits)?;
        let block = self.blocks.remove(at);
        self.bytes -= block.capacity();
        self.used = true;
        Some(block)
    }

    /// Gives back what there is no room for: the oldest, so that sizes that nobody asks for any more do not stay.
    fn keep(&mut self, block: Vec<u8>) -> Vec<Vec<u8>> {
        if self.sessions == 0 || block.capacity() > BLOCKS_BYTES_MAX {
            return vec![block];
        }
        self.bytes += block.capacity();
        self.blocks.push(block);
        let mut gone = 0;
        while self.bytes > BLOCKS_BYTES_MAX {
            self.bytes -= self.blocks[gone].capacity();
            gone += 1;
        }
        self.blocks.drain(..gone).collect()
    }

    fn trim_unused(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < KEPT_FOR) {
            return Vec::new();
        }
        self.looked_at = Some(now);
        if mem::take(&mut self.used) { Vec::new() } else { self.clear() }
    }

    fn leave(&mut self) -> Vec<Vec<u8>> {
        self.sessions -= 1;
        if self.sessions == 0 { self.clear() } else { Vec::new() }
    }

    fn clear(&mut self) -> Vec<Vec<u8>> {
        self.bytes = 0;
        mem::take(&mut self.blocks)
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

/// A block with room for so many bytes, and for at most twice as many, if one is kept. What stands in it is
/// old: it is there to be overwritten, because what was written once need not be cleared to be read into.
pub(crate) fn block(bytes: usize) -> Option<Vec<u8>> {
    if bytes < BLOCK_BYTES_MIN {
        return None;
    }
    blocks().take(bytes)
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

/// Gives the blocks back to the allocator, if none was asked for in the last ten seconds. Sessions call this now and
/// then.
pub(crate) fn trim_unused(now: Instant) {
    let unused = blocks().trim_unused(now);
    drop(unused);
}

fn give_block(block: Vec<u8>) {
    if block.capacity() < BLOCK_BYTES_MIN {
        return;
    }
    let too_many = blocks().keep(block);
    drop(too_many);
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

    fn kept() -> Blocks {
        Blocks { sessions: 1, ..Blocks::new() }
    }

    #[test]
    fn a_large_value_lies_where_the_last_one_lay() {
        // Of a length that no other test asks for.
        let _keeping = Keeping::new();
        let first = shared(vec![1; 12_345_678]);
        let (at, part) = (first.as_ptr(), first.slice(10..20));
        drop(first);
        assert_eq!(block(12_345_678), None, "a part of it is still there");
        drop(part);
        assert_eq!(block(24_691_357), None, "it has no room for more");
        assert_eq!(block(6_172_838), None, "it is not wasted on less than a half");
        let again = copied(&[2; 12_345_600]);
        assert_eq!((again.as_ptr(), again.len()), (at, 12_345_600));
        assert!(again.iter().all(|byte| *byte == 2));
    }

    #[test]
    fn so_much_is_kept_and_no_more() {
        let mut blocks = kept();
        for _ in 0..100 {
            blocks.keep(vec![0; 1 << 20]);
        }
        assert_eq!(blocks.keep(vec![0; BLOCKS_BYTES_MAX + 1]).len(), 1);
        assert_eq!(blocks.keep(vec![0; 2 << 20]).len(), 2, "the oldest make room");
        assert!(blocks.take(2 << 20).is_some());
        let kept = std::iter::from_fn(|| blocks.take(1 << 20)).count();
        assert_eq!((kept, blocks.bytes), ((BLOCKS_BYTES_MAX >> 20) - 2, 0));
    }

    #[test]
    fn nothing_is_kept_where_no_session_is() {
        let mut blocks = kept();
        blocks.keep(vec![0; 1 << 20]);
        assert_eq!(blocks.leave().len(), 1);
        assert_eq!(blocks.keep(vec![0; 1 << 20]).len(), 1);
        assert_eq!((blocks.take(1 << 20), blocks.bytes), (None, 0));
    }

    #[test]
    fn blocks_that_nobody_asks_for_do_not_stay() {
        let (begin, mut blocks) = (Instant::now(), kept());
        let after =
            |blocks: &mut Blocks, seconds| blocks.trim_unused(begin + Duration::from_secs(seconds)).len();
        blocks.keep(vec![0; 1 << 20]);
        assert_eq!(after(&mut blocks, 0), 1, "nobody has asked for it before");
        for seconds in [5, 10, 19] {
            blocks.keep(vec![0; 1 << 20]);
            assert_eq!(after(&mut blocks, seconds), 0, "after {seconds} s");
            let _used = blocks.take(1 << 20);
        }
        blocks.keep(vec![0; 1 << 20]);
        assert_eq!(after(&mut blocks, 20), 0, "it was asked for meanwhile");
        assert_eq!(after(&mut blocks, 29), 0, "not yet");
        assert_eq!(after(&mut blocks, 30), 1);
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
