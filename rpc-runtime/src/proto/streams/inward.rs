//! Streams of the peer.

use std::mem;

use bytes::Bytes;

use super::{Ending, In, Inflow, Lane, Name, StreamId, WINDOW_BYTES_MAX, read_tail};
use crate::{
    buffer,
    proto::{
        alarm::Side,
        closed::Closed,
        event::Event,
        frame::Kind,
        receive::{Of, UnderWay},
        session::{Core, Phase},
        wire::{Reader, put_number},
    },
};

impl Core {
    /// Takes what there is of a stream of the peer. After anything but [`Inflow::Nothing`] and [`Inflow::Data`] it means
    /// nothing any more.
    pub(crate) fn stream_read(&mut self, id: StreamId) -> Inflow {
        let Some(stream) = self.streams.ins.get_mut(&id) else { return Inflow::Lost };
        if !stream.buffer.is_empty() {
            let data = buffer::shared(mem::take(&mut stream.buffer));
            self.give_credit(id, data.len() as u64);
            return Inflow::Data(data);
        }
        let Some(ending) = stream.ending.take() else {
            stream.is_awaited = true;
            return Inflow::Nothing;
        };
        self.forget_in(id);
        match ending {
            Ending::End(tail) => Inflow::End(tail),
            Ending::Abort(why) => Inflow::Aborted(why),
            Ending::Lost => Inflow::Lost,
        }
    }

    /// Nobody reads a stream of the peer any more, which is told to send nothing more of it.
    pub(crate) fn stream_stop(&mut self, id: StreamId) {
        let Some(stream) = self.streams.ins.get_mut(&id) else { return };
        if stream.ending.is_some() {
            return self.forget_in(id);
        }
        if mem::replace(&mut stream.is_stopped, true) {
            return;
        }
        stream.buffer = Vec::new();
        let charged = mem::take(&mut stream.charged);
        if let Some(name) = stream.name {
            self.put_stop(name);
        }
        self.grants.give_back_stream(charged);
        self.settle();
    }

    /// The peer announces a stream; `is_wanted` says whether somebody will read it.
    pub(in crate::proto) fn open_in(&mut self, name: Name, is_wanted: bool) -> Result<StreamId, Closed> {
        let max = self.config.streams_max as usize;
        if self.streams.ins_counted >= max {
            return Err(Closed::flow_control(format!("the peer sent more than {max} streams at a time")));
        }
        let id = self.streams.add_in(name.lane, u64::from(self.config.stream_bytes));
        self.name_in(id, name);
        if !is_wanted {
            self.stream_stop(id);
        }
        Ok(id)
    }

    /// A stream of the peer that nobody will read, and that it will give up by itself.
    pub(in crate::proto) fn open_ignored(&mut self, name: Name) -> Result<(), Closed> {
        let id = self.open_in(name, true)?;
        if let Some(stream) = self.streams.ins.get_mut(&id) {
            stream.is_stopped = true;
        }
        Ok(())
    }

    /// The way back on a connection, before the peer knows of it.
    pub(in crate::proto) fn expect_back(&mut self) -> StreamId {
        self.streams.add_in(Lane::Back, u64::from(self.config.stream_bytes))
    }

    pub(in crate::proto) fn name_in(&mut self, id: StreamId, name: Name) {
        let Some(stream) = self.streams.ins.get_mut(&id) else { return };
        stream.name = Some(name);
        let is_stopped = stream.is_stopped;
        self.streams.names.insert(name, id);
        if is_stopped {
            self.put_stop(name);
        }
    }

    /// The way back on a connection will not be: the peer was told nothing of it.
    pub(in crate::proto) fn lose_unnamed_in(&mut self, id: StreamId) {
        let Some(stream) = self.streams.ins.get_mut(&id) else { return };
        self.streams.coming -= 1;
        if stream.is_stopped {
            self.streams.ins.remove(&id);
            return;
        }
        stream.ending = Some(Ending::Lost);
        if mem::take(&mut stream.is_awaited) {
            self.events.push_back(Event::Stream { id });
        }
    }

    /// The head of a piece of a stream, `length` bytes of which follow.
    pub(in crate::proto) fn receive_data(&mut self, tag: u64, length: usize) -> Result<(), Closed> {
        let name = Name::of_coming(tag)?;
        let Some((id, stream)) = self.coming(name) else {
            return Err(not_open("a piece", name));
        };
        if length == 0 {
            return Err(Closed::protocol(format!(
                "the peer sent an empty piece of a stream of call {}",
                name.call
            )));
        }
        let Some(outstanding) = stream.outstanding.checked_sub(length as u64) else {
            return Err(Closed::flow_control(format!(
                "the peer sent {length} bytes of a stream of call {} where {} were allowed",
                name.call, stream.outstanding
            )));
        };
        stream.outstanding = outstanding;
        self.input.under_way = Some(UnderWay { of: Of::Stream(id), left: length });
        Ok(())
    }

    /// Bytes of a piece came, `left` of which are still to come.
    pub(in crate::proto) fn data_came(&mut self, id: StreamId, bytes: &[u8], left: usize) {
        let Some(stream) = self.streams.ins.get_mut(&id).filter(|stream| !stream.is_stopped) else { return };
        if stream.buffer.is_empty()
            && let Some(mut block) = buffer::block(bytes.len() + left)
        {
            block.clear();
            stream.buffer = block;
        }
        stream.buffer.extend_from_slice(bytes);
        if mem::take(&mut stream.is_awaited) {
            self.events.push_back(Event::Stream { id });
        }
    }

    /// Shape: `tag:number tail`.
    pub(in crate::proto) fn receive_stream_end(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("StreamEnd", body);
        let name = Name::of_coming(reader.number()?)?;
        let tail = Bytes::copy_from_slice(read_tail(&reader)?);
        self.end_coming(name, "the end", Ending::End(tail))
    }

    /// Shape: `tag:number by:u8 why`: by its sender, or by its receiver.
    pub(in crate::proto) fn receive_stream_abort(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("StreamAbort", body);
        let tag = reader.number()?;
        let by = reader.byte()?;
        let why = Bytes::copy_from_slice(read_tail(&reader)?);
        match by {
            BY_SENDER => self.end_coming(Name::of_coming(tag)?, "the abort", Ending::Abort(why)),
            BY_RECEIVER => self.receive_stop(Name::of_going(tag)?),
            _ => Err(reader.wrong("it is neither by the sender nor by the receiver")),
        }
    }

    /// The sender has ended one of its streams.
    fn end_coming(&mut self, name: Name, what: &str, ending: Ending) -> Result<(), Closed> {
        let Some((id, stream)) = self.coming(name) else { return Err(not_open(what, name)) };
        stream.name = None;
        stream.ending = Some(ending);
        let (is_stopped, is_awaited) = (stream.is_stopped, mem::take(&mut stream.is_awaited));
        self.streams.names.remove(&name);
        self.streams.coming -= 1;
        self.streams.ins_counted -= usize::from(name.lane.counts());
        if is_stopped {
            self.forget_in(id);
        } else if is_awaited {
            self.events.push_back(Event::Stream { id });
        }
        Ok(())
    }

    fn coming(&mut self, name: Name) -> Option<(StreamId, &mut In)> {
        let id = *self.streams.names.get(&name)?;
        Some((id, self.streams.ins.get_mut(&id)?))
    }

    /// The reader has taken so many bytes: its sender may send as many again, and more if it has used up what it had.
    fn give_credit(&mut self, id: StreamId, taken: u64) {
        let Some(stream) = self.streams.ins.get_mut(&id) else { return };
        let Some(name) = stream.name.filter(|_| !stream.is_stopped) else { return };
        stream.owed += taken;
        let more = WINDOW_BYTES_MAX.saturating_sub(stream.window);
        if stream.outstanding == 0 && more > 0 && self.grants.take_stream(more) {
            stream.window += more;
            stream.charged += more;
            stream.owed += more;
        }
        if stream.owed >= stream.window / 2 && matches!(self.phase, Phase::Open) {
            let owed = mem::take(&mut stream.owed);
            stream.outstanding += owed;
            self.output.control(Kind::StreamCredit, |to| {
                put_number(to, name.tag());
                put_number(to, owed);
            });
        }
    }

    fn put_stop(&mut self, name: Name) {
        if self.is_open() {
            self.output.control(Kind::StreamAbort, |to| {
                put_number(to, name.tag());
                to.push(BY_RECEIVER);
            });
        }
    }

    fn forget_in(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.ins.remove(&id) {
            self.grants.give_back_stream(stream.charged);
        }
        self.settle();
    }

    /// The peer writes nothing more: what it had to send will not come.
    pub(in crate::proto) fn lose_streams(&mut self) {
        let charged = self.streams.ins.values().map(|stream| stream.charged).sum();
        self.grants.give_back_stream(charged);
        for id in self.streams.lose_coming() {
            self.events.push_back(Event::Stream { id });
        }
    }

    /// Streams of an answer that nobody will look at.
    pub(crate) fn stop_arrived(&mut self, arrived: Option<Box<super::Arrived>>) {
        let Some(arrived) = arrived else { return };
        self.stream_stop(arrived.id);
        if let Some(back) = arrived.back {
            self.stream_abort(back, Bytes::new());
        }
    }
}

impl Name {
    pub(in crate::proto) const fn new(side: Side, call: u64, lane: Lane) -> Self {
        Self { side, call, lane }
    }
}

#[cold]
fn not_open(what: &str, name: Name) -> Closed {
    let whose = match name.lane {
        Lane::Callee => "with its answer to",
        Lane::Caller | Lane::Back => "with its",
    };
    Closed::protocol(format!(
        "the peer sent {what} of a stream {whose} call {}, which is not open",
        name.call
    ))
}

/// Who gives a stream up.
pub(super) const BY_SENDER: u8 = 0;
pub(super) const BY_RECEIVER: u8 = 1;
