//! Streams of this end.

use std::mem;

use bytes::Bytes;

use super::{Ending, Lane, Name, Out, Room, SMALL_BYTES_MAX, StreamId, inward::BY_SENDER};
use crate::proto::{
    alarm::Side,
    closed::Closed,
    event::Event,
    frame::Kind,
    session::Core,
    wire::{Reader, put_number},
};

impl Core {
    /// Whether both ends take streams; `None` as long as the peer has not said so.
    pub(crate) fn takes_streams(&self) -> Option<bool> {
        self.peer.map(|peer| peer.streams > 0 && self.config.streams_max > 0)
    }

    /// How many more streams may be sent at a time.
    pub(crate) fn streams_left(&self) -> usize {
        let max = self.peer.map_or(0, |peer| peer.streams as usize);
        max.saturating_sub(self.streams.outs_counted)
    }

    /// What a stream of this end takes now.
    pub(crate) fn stream_room(&mut self, id: StreamId) -> Room {
        let Some(out) = self.streams.outs.get_mut(&id).filter(|out| out.ending.is_none()) else {
            return Room::Gone;
        };
        match out.room() {
            0 => {
                out.is_awaited = true;
                Room::None
            }
            room => Room::Bytes(room),
        }
    }

    /// Sends bytes on a stream of this end. One that is gone takes them and throws them away.
    pub(crate) fn stream_write(&mut self, id: StreamId, data: Bytes) {
        let out = self.streams.outs.get_mut(&id).filter(|out| out.ending.is_none());
        if let Some(out) = out.filter(|_| !data.is_empty()) {
            out.queue.push(data);
            self.list(id);
        }
    }

    /// Ends a stream of this end, once what was written has gone out. `tail` has at most
    /// [`TAIL_BYTES_MAX`](super::TAIL_BYTES_MAX) bytes.
    pub(crate) fn stream_end(&mut self, id: StreamId, tail: Bytes) {
        if let Some(out) = self.streams.outs.get_mut(&id).filter(|out| out.ending.is_none()) {
            out.ending = Some(Ending::End(tail));
            self.list(id);
        }
    }

    /// Gives a stream of this end up: its reader gets what was written, and then `why`, of as many bytes, as an error.
    pub(crate) fn stream_abort(&mut self, id: StreamId, why: Bytes) {
        if let Some(out) = self.streams.outs.get_mut(&id).filter(|out| out.ending.is_none()) {
            out.ending = Some(Ending::Abort(why));
            self.list(id);
        }
    }

    /// A stream of this end that is announced with what is written next.
    pub(in crate::proto) fn begin_out(&mut self, lane: Lane) -> StreamId {
        let credit = self.peer.map_or(0, |peer| u64::from(peer.stream_bytes));
        self.streams.add_out(lane, credit)
    }

    /// The peer knows of a stream from here on.
    pub(in crate::proto) fn name_out(&mut self, id: StreamId, name: Name) {
        let Some(out) = self.streams.outs.get_mut(&id) else { return };
        out.name = Some(name);
        self.streams.names.insert(name, id);
        self.list(id);
    }

    /// A stream of which the peer knows nothing will not be.
    pub(in crate::proto) fn drop_out(&mut self, id: StreamId) {
        if self.forget_out(id).is_some() {
            self.events.push_back(Event::Stream { id });
        }
    }

    /// The arguments of a call of this end are given up, and the stream with them.
    pub(in crate::proto) fn give_up_upload(&mut self, number: u64) {
        if self.streams.outs.is_empty() {
            return;
        }
        let name = Name::new(Side::Ours, number, Lane::Caller);
        let Some(id) = self.streams.out_of(name) else { return };
        self.drop_out(id);
        if self.is_open() {
            self.put_stream_abort(name);
        }
    }

    /// Shape: `tag:number bytes:number`.
    pub(in crate::proto) fn receive_stream_credit(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("StreamCredit", body);
        let name = Name::of_going(reader.number()?)?;
        let bytes = reader.number()?;
        reader.end()?;
        if bytes == 0 {
            return Err(Closed::protocol("the peer sent a `StreamCredit` of nothing"));
        }
        let Some(id) = self.going(name)? else { return Ok(()) };
        let Some(out) = self.streams.outs.get_mut(&id) else { return Ok(()) };
        let credit = out.credit.checked_add(bytes).filter(|&credit| credit <= CREDIT_BYTES_MAX);
        let Some(credit) = credit else {
            return Err(Closed::flow_control(format!(
                "the peer gave a stream of call {} more than {CREDIT_BYTES_MAX} bytes of credit",
                name.call
            )));
        };
        out.credit = credit;
        if out.room() > 0 && mem::take(&mut out.is_awaited) {
            self.events.push_back(Event::Stream { id });
        }
        self.list(id);
        Ok(())
    }

    /// The peer reads a stream of this end no further: it is told that nothing more will come.
    pub(super) fn receive_stop(&mut self, name: Name) -> Result<(), Closed> {
        if let Some(id) = self.going(name)? {
            self.drop_out(id);
            self.put_stream_abort(name);
        }
        Ok(())
    }

    /// The stream that the peer means; none if it has ended, which the peer could not know.
    fn going(&self, name: Name) -> Result<Option<StreamId>, Closed> {
        if let Some(id) = self.streams.out_of(name) {
            return Ok(Some(id));
        }
        let next = match name.side {
            Side::Ours => self.ours.next,
            Side::Theirs => self.theirs.next_number(),
        };
        if name.call < next {
            return Ok(None);
        }
        Err(Closed::protocol(format!(
            "the peer spoke of a stream of call {}, which was never made",
            name.call
        )))
    }

    /// Puts a stream in line, if there is something of it that can be written.
    fn list(&mut self, id: StreamId) {
        let Some(out) = self.streams.outs.get_mut(&id) else { return };
        let next = out.next();
        if out.name.is_none() || out.is_listed || !out.can_be_written() {
            return;
        }
        out.is_listed = true;
        self.streams.listed += 1;
        let line = if next <= SMALL_BYTES_MAX { &mut self.streams.small } else { &mut self.streams.large };
        line.push_back(id);
    }

    /// Writes what a stream has to say, if that is little.
    pub(in crate::proto) fn write_small_data(&mut self) -> bool {
        while let Some(id) = self.streams.small.pop_front() {
            if self.write_data(id) {
                return true;
            }
        }
        false
    }

    /// Writes a piece of the stream whose turn it is.
    pub(in crate::proto) fn write_large_data(&mut self) -> bool {
        while let Some(id) = self.streams.large.pop_front() {
            if self.write_data(id) {
                return true;
            }
        }
        false
    }

    /// Writes the next piece of a stream, and its end if that was all.
    fn write_data(&mut self, id: StreamId) -> bool {
        let Some(out) = self.streams.outs.get_mut(&id).filter(|out| out.is_listed) else { return false };
        let Some(name) = out.name else { return false };
        out.is_listed = false;
        self.streams.listed -= 1;
        let length = out.next();
        if length > 0 {
            out.credit -= length as u64;
            self.output.part(Kind::StreamData, |to| put_number(to, name.tag()), &mut out.queue, length);
        }
        if out.queue.len() > 0 {
            self.list(id);
        } else if let Some(ending) = out.ending.take() {
            self.forget_out(id);
            match ending {
                Ending::Abort(why) => self.output.plain(Kind::StreamAbort, |to| put_abort(to, name, &why)),
                Ending::End(tail) => self.output.plain(Kind::StreamEnd, |to| {
                    put_number(to, name.tag());
                    to.extend_from_slice(&tail);
                }),
                Ending::Lost => {}
            }
        }
        true
    }

    /// At once: what was not written of it is not wanted.
    fn put_stream_abort(&mut self, name: Name) {
        self.output.control(Kind::StreamAbort, |to| put_abort(to, name, &[]));
    }

    fn forget_out(&mut self, id: StreamId) -> Option<Out> {
        let out = self.streams.outs.remove(&id)?;
        self.streams.listed -= usize::from(out.is_listed);
        self.streams.outs_counted -= usize::from(out.lane.counts());
        if let Some(name) = out.name {
            self.streams.names.remove(&name);
        }
        Some(out)
    }
}

impl Out {
    /// What its maker may add: no more than there is credit for.
    fn room(&self) -> usize {
        usize::try_from(self.credit).unwrap_or(usize::MAX).saturating_sub(self.queue.len())
    }

    /// How long its next piece is.
    fn next(&self) -> usize {
        self.queue.len().min(crate::proto::frame::PIECE_BYTES_MAX).min(self.room_for_piece())
    }

    fn room_for_piece(&self) -> usize {
        usize::try_from(self.credit).unwrap_or(usize::MAX)
    }

    fn can_be_written(&self) -> bool {
        self.next() > 0 || (self.queue.len() == 0 && self.ending.is_some())
    }
}

fn put_abort(to: &mut Vec<u8>, name: Name, why: &[u8]) {
    put_number(to, name.tag());
    to.push(BY_SENDER);
    to.extend_from_slice(why);
}

/// What a peer may give one stream at most.
const CREDIT_BYTES_MAX: u64 = u32::MAX as u64;
