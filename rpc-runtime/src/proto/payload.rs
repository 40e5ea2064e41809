//! Values on their way out and in.

use std::{collections::VecDeque, fmt, ops::Deref};

use bytes::Bytes;

use crate::buffer;

/// An encoded value on its way out.
///
/// Runs that lie elsewhere are spliced in by their offset, and written from where they lie if they are long.
#[derive(Default)]
pub(crate) struct Payload(Repr);

#[derive(Default)]
enum Repr {
    #[default]
    Empty,
    Owned(Vec<u8>),
    Shared(Bytes),
    Spliced(Box<Spliced>),
}

struct Spliced {
    head: Vec<u8>,
    /// Ascending offsets into `head`, each with what comes before the byte at it.
    runs: Vec<(usize, Bytes)>,
    length: usize,
}

impl Payload {
    /// `head` with each of `runs` put in before the byte at its offset into `head`; offsets ascend.
    ///
    /// # Panics
    ///
    /// If an offset is beyond the end of `head` or below the one before.
    pub(crate) fn spliced(head: Vec<u8>, runs: Vec<(usize, Bytes)>) -> Self {
        if runs.is_empty() {
            return head.into();
        }
        let mut last = 0;
        for (at, _) in &runs {
            assert!(last <= *at && *at <= head.len(), "a run is spliced in at {at} of {}", head.len());
            last = *at;
        }
        let length = head.len() + runs.iter().map(|(_, run)| run.len()).sum::<usize>();
        Self(Repr::Spliced(Box::new(Spliced { head, runs, length })))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Repr::Empty => 0,
            Repr::Owned(bytes) => bytes.len(),
            Repr::Shared(bytes) => bytes.len(),
            Repr::Spliced(spliced) => spliced.length,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they lie side by side.
    pub(super) fn as_slice(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Empty => Some(&[]),
            Repr::Owned(bytes) => Some(bytes),
            Repr::Shared(bytes) => Some(bytes),
            Repr::Spliced(_) => None,
        }
    }

    /// Its bytes were copied: their buffer may hold the next value.
    pub(super) fn was_copied(self) {
        if let Repr::Owned(bytes) = self.0 {
            buffer::give(bytes);
        }
    }

    pub(super) fn into_pieces(self) -> Pieces {
        let length = self.len();
        let mut pieces = VecDeque::new();
        match self.0 {
            Repr::Empty => {}
            Repr::Owned(bytes) => pieces.push_back(buffer::shared(bytes)),
            Repr::Shared(bytes) => pieces.push_back(bytes),
            Repr::Spliced(spliced) => {
                let mut head = buffer::shared(spliced.head);
                let mut taken = 0;
                for (at, run) in spliced.runs {
                    pieces.push_back(head.split_to(at - taken));
                    pieces.push_back(run);
                    taken = at;
                }
                pieces.push_back(head);
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        Pieces { pieces, left: length }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Repr::Owned(bytes))
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(Repr::Shared(bytes))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

/// What is left of a payload, for a writer that takes a piece after the other.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    left: usize,
}

impl Pieces {
    pub(super) const fn len(&self) -> usize {
        self.left
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.left += piece.len();
        self.pieces.push_back(piece);
    }

    /// The next run of at most `max` bytes that lie side by side.
    pub(super) fn next(&mut self, max: usize) -> Option<Bytes> {
        let front = self.pieces.front_mut()?;
        let run = if front.len() <= max { self.pieces.pop_front()? } else { front.split_to(max) };
        self.left -= run.len();
        Some(run)
    }
}

/// The bytes of a value that came in.
///
/// Up to 64 of them lie in the value itself, so that a small call allocates nothing.
#[derive(Clone)]
pub(crate) struct Received(In);

#[derive(Clone)]
enum In {
    Inline { length: u8, bytes: [u8; INLINE_BYTES_MAX] },
    Shared(Bytes),
}

impl Received {
    pub(super) fn copied(bytes: &[u8]) -> Self {
        match u8::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= INLINE_BYTES_MAX => {
                let mut inline = [0; INLINE_BYTES_MAX];
                inline[..bytes.len()].copy_from_slice(bytes);
                Self(In::Inline { length, bytes: inline })
            }
            _ => Self(In::Shared(Bytes::copy_from_slice(bytes))),
        }
    }

    /// The bytes as something that can be sliced and kept without a copy; None for values of at most 64 bytes.
    pub(crate) const fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            In::Inline { .. } => None,
            In::Shared(bytes) => Some(bytes),
        }
    }
}

impl Default for Received {
    fn default() -> Self {
        Self::copied(&[])
    }
}

impl From<Vec<u8>> for Received {
    fn from(bytes: Vec<u8>) -> Self {
        Self(In::Shared(buffer::shared(bytes)))
    }
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            In::Inline { length, bytes } => &bytes[..usize::from(*length)],
            In::Shared(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({} bytes)", self.len())
    }
}

const INLINE_BYTES_MAX: usize = 64;
