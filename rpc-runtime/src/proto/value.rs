//! A value that arrives in pieces.

use std::time::Instant;

use super::payload::Received;
use crate::buffer;

/// A value that is longer than its first piece. Its buffer grows with what arrives, not with what was announced,
/// unless this thread has one that is large enough.
#[derive(Debug)]
pub(super) struct Value {
    /// Longer than `filled` where space was given out, or where it held another value before.
    buffer: Vec<u8>,
    filled: usize,
    total: usize,
    /// Whether its rest may come.
    pub(super) granted: bool,
    /// When its last bytes came, or it was granted.
    pub(super) progress: Instant,
}

impl Value {
    pub(super) fn new(first: &[u8], total: usize, now: Instant) -> Self {
        let mut buffer = buffer::block(total.saturating_add(SLACK_BYTES)).unwrap_or_default();
        match buffer.get_mut(..first.len()) {
            Some(old) => old.copy_from_slice(first),
            None => {
                buffer.clear();
                buffer.extend_from_slice(first);
            }
        }
        Self { buffer, filled: first.len(), total, granted: false, progress: now }
    }

    /// Bytes that have not come.
    pub(super) const fn left(&self) -> usize {
        self.total - self.filled
    }

    /// Where the next `piece` bytes go, and the header of the frame behind them.
    pub(super) fn space(&mut self, piece: usize) -> &mut [u8] {
        let end = self.filled + piece.min(self.left()) + SLACK_BYTES;
        if self.buffer.len() < end {
            self.reserve(end);
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// `length` bytes were written to the beginning of [`space`](Self::space); gives those behind them.
    pub(super) fn filled(&mut self, length: usize, beyond: usize) -> [u8; SLACK_BYTES] {
        self.filled += length;
        let mut slack = [0; SLACK_BYTES];
        slack[..beyond].copy_from_slice(&self.buffer[self.filled..self.filled + beyond]);
        slack
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.buffer.truncate(self.filled);
        self.reserve(self.filled + bytes.len());
        self.buffer.extend_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Makes room for `end` bytes, and for as many again as came so far; for all once a part has come that shows it is
    /// meant. An allocator may copy what it makes longer, and while it copies nobody has a turn: 16 MiB took 6 ms.
    fn reserve(&mut self, end: usize) {
        if self.buffer.capacity() < end {
            let all = self.total.saturating_add(SLACK_BYTES);
            let target = match self.filled {
                MEANT_BYTES.. => all,
                filled => all.min(filled.saturating_mul(2).saturating_add(AHEAD_BYTES)).max(end),
            };
            self.buffer.reserve_exact(target - self.buffer.len());
        }
    }

    pub(super) fn into_received(mut self) -> Received {
        self.buffer.truncate(self.total);
        self.buffer.into()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

/// The header of the next frame fits in here, and the number that a part begins with: so the next piece can be read
/// right behind this one, after a move of at most so many bytes.
pub(super) const SLACK_BYTES: usize = 16;

const AHEAD_BYTES: usize = 64 << 10;

/// A peer that has sent so much of a value can have room for 32 times as much reserved, which it was granted before.
const MEANT_BYTES: usize = 1 << 20;
