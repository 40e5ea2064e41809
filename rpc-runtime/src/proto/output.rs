//! The batch of frames being written.

use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;

use super::{
    frame::{self, BODY_BYTES_MAX, HEADER_BYTES, Kind, PIECE_BYTES_MAX},
    payload::{Payload, Pieces},
};

/// Frames on their way to the transport.
///
/// Frames are copied into one buffer; long runs of values are not, they are spliced in between.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Frames without values, which go before all others and need no credit.
    control: Vec<u8>,
    /// Pongs among them.
    pub(super) pongs: u32,
    buffer: Vec<u8>,
    /// Offsets into `buffer`, each with what comes before the byte at it.
    splices: VecDeque<(usize, Bytes)>,
    /// How much of `buffer` the transport has taken.
    taken: usize,
    /// Bytes of all frames so far that were put into a batch.
    pub(super) encoded: u64,
    /// Those that the transport took.
    pub(super) sent: u64,
}

impl Output {
    /// Bytes of the batch that the transport has not taken.
    pub(super) const fn left(&self) -> u64 {
        self.encoded - self.sent
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.left() == 0 && self.control.is_empty()
    }

    /// Whether one more frame of any length may join the batch.
    pub(super) const fn has_room(&self) -> bool {
        self.left() + FRAME_BYTES_MAX <= BATCH_BYTES_MAX
    }

    pub(super) fn control(&mut self, kind: Kind, put: impl FnOnce(&mut Vec<u8>)) {
        frame::put(&mut self.control, kind, put);
    }

    /// Moves the control frames into the batch.
    pub(super) fn take_control(&mut self) {
        self.buffer.extend_from_slice(&self.control);
        self.encoded += self.control.len() as u64;
        self.control.clear();
        self.pongs = 0;
    }

    /// Writes a frame with a head and as much of a value as it may hold, `most` at most; gives how much, and the rest.
    pub(super) fn value(
        &mut self,
        kind: Kind,
        payload: Payload,
        most: usize,
        head: impl FnOnce(&mut Vec<u8>, &Payload),
    ) -> (usize, Option<Pieces>) {
        let start = frame::begin(&mut self.buffer, kind);
        head(&mut self.buffer, &payload);
        let room = (HEADER_BYTES + BODY_BYTES_MAX + start - self.buffer.len()).min(most);
        let (length, beside, rest) = match payload.as_slice() {
            Some(bytes) if bytes.len() <= COPIED_BYTES_MAX.min(room) => {
                self.buffer.extend_from_slice(bytes);
                let length = bytes.len();
                payload.was_copied();
                (length, 0, None)
            }
            _ => {
                let mut pieces = payload.into_pieces();
                let before = pieces.len();
                let beside = self.splice(&mut pieces, room);
                (before - pieces.len(), beside, (pieces.len() > 0).then_some(pieces))
            }
        };
        self.finish(start, beside);
        (length, rest)
    }

    /// Writes a head and at most `most` bytes of a value, or of a stream.
    pub(super) fn part(
        &mut self,
        kind: Kind,
        head: impl FnOnce(&mut Vec<u8>),
        pieces: &mut Pieces,
        most: usize,
    ) {
        let start = frame::begin(&mut self.buffer, kind);
        head(&mut self.buffer);
        let beside = self.splice(pieces, most);
        self.finish(start, beside);
    }

    /// Writes a frame of no value in its turn, behind what is in the batch.
    pub(super) fn plain(&mut self, kind: Kind, put: impl FnOnce(&mut Vec<u8>)) {
        let start = frame::begin(&mut self.buffer, kind);
        put(&mut self.buffer);
        self.finish(start, 0);
    }

    /// Appends at most `room` bytes; gives how many of them were not copied.
    fn splice(&mut self, pieces: &mut Pieces, mut room: usize) -> usize {
        let mut beside = 0;
        while room > 0
            && let Some(run) = pieces.next(room)
        {
            room -= run.len();
            if run.len() < SPLICED_BYTES_MIN {
                self.buffer.extend_from_slice(&run);
            } else {
                beside += run.len();
                self.splices.push_back((self.buffer.len(), run));
            }
        }
        beside
    }

    fn finish(&mut self, start: usize, beside: usize) {
        frame::finish(&mut self.buffer, start, beside);
        self.encoded += (self.buffer.len() - start + beside) as u64;
    }

    /// What to write next, as many slices as `to` has room for.
    pub(super) fn slices<'a>(&'a self, to: &mut [IoSlice<'a>]) -> usize {
        let mut at = self.taken;
        let between = self.splices.iter().flat_map(|(before, run)| {
            let copied = &self.buffer[at..*before];
            at = *before;
            [copied, &run[..]]
        });
        let mut count = 0;
        let mut put = |slice: &'a [u8]| {
            if !slice.is_empty() && count < to.len() {
                to[count] = IoSlice::new(slice);
                count += 1;
            }
        };
        between.for_each(&mut put);
        let last = self.splices.back().map_or(self.taken, |(before, _)| *before);
        put(&self.buffer[last..]);
        count
    }

    /// The transport took `length` bytes of what [`slices`](Self::slices) gave.
    pub(super) fn sent(&mut self, length: usize) {
        let mut length = length.min(usize::try_from(self.left()).unwrap_or(usize::MAX));
        self.sent += length as u64;
        while length > 0 {
            let Some((before, run)) = self.splices.front_mut() else {
                self.taken += length;
                break;
            };
            let copied = length.min(*before - self.taken);
            self.taken += copied;
            length -= copied;
            if self.taken < *before {
                break;
            }
            let spliced = length.min(run.len());
            length -= spliced;
            if spliced == run.len() {
                self.splices.pop_front();
            } else {
                let _sent = run.split_to(spliced);
            }
        }
        if self.left() == 0 {
            self.buffer.clear();
            self.taken = 0;
        }
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.control.capacity()
            + self.buffer.capacity()
            + self.splices.capacity() * size_of::<(usize, Bytes)>()
    }

    /// Gives the memory of empty buffers back.
    pub(super) fn trim(&mut self) {
        if self.left() == 0 {
            self.buffer = Vec::new();
            self.splices = VecDeque::new();
        }
        if self.control.is_empty() {
            self.control = Vec::new();
        }
    }
}

const BATCH_BYTES_MAX: u64 = 256 << 10;

const FRAME_BYTES_MAX: u64 = (HEADER_BYTES + BODY_BYTES_MAX) as u64;

/// Values up to this length are copied into the batch whole.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// A shorter run is copied: an own entry of a vectored write costs more.
const SPLICED_BYTES_MIN: usize = 4 << 10;
