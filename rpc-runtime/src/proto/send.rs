//! Bytes out.

use std::{io::IoSlice, time::Instant};

use super::{
    alarm::Side,
    closed::Closed,
    frame::{Kind, PIECE_BYTES_MAX},
    receive::{Of, UnderWay},
    session::Core,
    wire::put_number,
};

impl Core {
    /// What to write next, as many slices as `to` has room for; gives how many. At most 256 KiB at a time.
    ///
    /// Small frames come first, but never more than 64 in a row while a large value waits; those take turns, a piece
    /// each, and a batch has one piece while other calls are in flight. May give nothing although
    /// [`has_output`](Self::has_output) said otherwise, and events: calls whose deadline passes while they wait are
    /// ended here.
    pub(crate) fn slices<'a>(&'a mut self, now: Instant, to: &mut [IoSlice<'a>]) -> usize {
        // The batch is closed while it is being written, so that what is decided when a frame joins it, such as what
        // is left of a deadline, is not decided long before.
        if self.output.left() == 0 {
            self.output.take_control();
            if self.is_open() {
                // Whoever made a call may know better how late it is than whoever writes it.
                self.fill(now.max(self.pace.now));
            }
            self.settle();
        }
        if self.output.left() > 0 {
            self.pace.writes(now);
        }
        self.output.slices(to)
    }

    /// The transport took `length` bytes of what [`slices`](Self::slices) gave.
    pub(crate) fn sent(&mut self, length: usize) {
        self.output.sent(length);
        if length > 0 {
            self.pace.was_taken();
        }
        self.settle();
    }

    /// Whether there is something to write.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
            || (self.is_open()
                && (self.theirs.can_end()
                    || self.ours.can_write(self.peer).is_some()
                    || !self.rests.is_empty()
                    || self.streams.are_ready()))
    }

    fn fill(&mut self, now: Instant) {
        // A small frame that comes after this waits for all of the batch.
        let mut pieces = if self.is_alone() { usize::MAX } else { 1 };
        loop {
            let mut small = 0;
            while small < SMALL_FRAMES_MAX && self.output.has_room() {
                // In turns, so that neither answers nor questions wait for the other to dry up.
                let wrote_end = self.write_end();
                let wrote_call = self.output.has_room() && self.write_call(now);
                let wrote_data =
                    self.streams.are_ready() && self.output.has_room() && self.write_small_data();
                if !wrote_end && !wrote_call && !wrote_data {
                    break;
                }
                small += usize::from(wrote_end) + usize::from(wrote_call) + usize::from(wrote_data);
            }
            let wrote_piece = pieces > 0 && self.output.has_room() && self.write_large();
            pieces -= usize::from(wrote_piece);
            if !wrote_piece && (small < SMALL_FRAMES_MAX || !self.output.has_room()) {
                return;
            }
        }
    }

    /// Whether no call is in flight but one, or no stream: nobody waits for a small frame.
    fn is_alone(&self) -> bool {
        self.ours.calls.len() + self.theirs.calls.len() + self.streams.sending() <= 1
    }

    /// Writes a piece of a stream or of a large value, in turns.
    fn write_large(&mut self) -> bool {
        if !self.streams.are_ready() {
            return self.write_piece();
        }
        self.is_turn_of_streams = !self.is_turn_of_streams;
        let first = self.is_turn_of_streams;
        (first && self.write_large_data()) || self.write_piece() || (!first && self.write_large_data())
    }

    /// Writes a piece of the large value whose turn it is.
    fn write_piece(&mut self) -> bool {
        while let Some((side, key)) = self.rests.pop_front() {
            let rest = match side {
                Side::Ours => self.ours.pieces_mut(key),
                Side::Theirs => self.theirs.pieces_mut(key),
            };
            // Its call has ended.
            let Some((number, pieces)) = rest else { continue };
            let head = |to: &mut Vec<u8>| put_number(to, number << 2 | side.way_out());
            self.output.part(Kind::Part, head, pieces, PIECE_BYTES_MAX);
            if pieces.len() > 0 {
                self.rests.push_back((side, key));
            } else {
                match side {
                    Side::Ours => self.ours.written(key, self.output.encoded),
                    Side::Theirs => self.reply_written(key),
                }
            }
            return true;
        }
        false
    }

    /// Tells the peer that the rest of a value of ours will not come.
    pub(super) fn put_abort(&mut self, side: Side, number: u64) {
        self.output.control(Kind::Part, |to| put_number(to, number << 2 | ABORTED | side.way_out()));
    }

    /// The head of a part, `length` bytes of which follow. Shape: `call:number bytes`; the lowest bit of the number
    /// says whether it is of the reply, the next one that the value is given up.
    pub(super) fn receive_part(&mut self, tag: u64, length: usize, now: Instant) -> Result<(), Closed> {
        let (number, is_abort, side) = (tag >> 2, tag & ABORTED != 0, Side::of_way_in(tag & 1));
        if is_abort && length > 0 {
            return Err(Closed::protocol("the peer gave a value up and sent bytes with that"));
        }
        let (key, left) = match side {
            Side::Theirs => self.receive_argument_part(number, is_abort)?,
            Side::Ours => self.receive_reply_part(number, is_abort)?,
        };
        if is_abort {
            return Ok(());
        }
        if length > left {
            return Err(Closed::flow_control(format!(
                "the peer sent {length} bytes of a value of call {number}, of which {left} were left"
            )));
        }
        if length < PIECE_BYTES_USEFUL && length < left {
            self.pace.useless(now)?;
        }
        if length > 0 {
            self.input.under_way = Some(UnderWay { of: Of::Value(side, key), left: length });
        }
        Ok(())
    }
}

const SMALL_FRAMES_MAX: usize = 64;

/// Set in the number that a part begins with.
const ABORTED: u64 = 2;

/// A shorter piece that is not the last one does not help.
const PIECE_BYTES_USEFUL: usize = 1024;
