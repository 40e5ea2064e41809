//! Bytes in.

use std::{mem, time::Instant};

use super::{
    alarm::Side,
    closed::Closed,
    frame::{HEADER_BYTES, Header, Kind},
    hello::{HELLO_BYTES_MAX, Hello},
    session::Core,
    streams::StreamId,
    table::Key,
    value::SLACK_BYTES,
    wire::{Number, Reader, escaped, number},
};

/// What was read and not understood yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    pub(super) under_way: Option<UnderWay>,
}

/// A part of a value, or a piece of a stream, whose bytes are coming.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) of: Of,
    pub(super) left: usize,
}

/// What they are bytes of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// Whose call it is: the peer's arguments, or a reply to us.
    Value(Side, Key),
    Stream(StreamId),
}

impl Input {
    pub(super) const fn is_within_frame(&self) -> bool {
        !self.partial.is_empty() || self.under_way.is_some()
    }

    #[cfg(test)]
    pub(super) fn partial_capacity(&self) -> usize {
        self.partial.capacity()
    }

    pub(super) fn trim(&mut self) {
        if self.partial.is_empty() {
            self.partial = Vec::new();
        }
    }
}

impl Core {
    /// Where to read the next bytes to, if a large value is under way: right into its own buffer, and a little
    /// further, so that the header of the next piece comes with the rest of this one.
    pub(crate) fn space(&mut self) -> Option<&mut [u8]> {
        let UnderWay { of: Of::Value(side, key), left } = self.input.under_way? else { return None };
        let value = match side {
            Side::Theirs => self.theirs.value_mut(key),
            Side::Ours => self.ours.value_mut(key),
        };
        value.map(|value| value.space(left))
    }

    /// `length` bytes were read to the beginning of [`space`](Self::space).
    pub(crate) fn filled(&mut self, length: usize, now: Instant) {
        let Some(UnderWay { of: Of::Value(side, key), left }) = self.input.under_way else { return };
        self.pace.heard(now);
        let (here, beyond) = (length.min(left), length.saturating_sub(left).min(SLACK_BYTES));
        let value = match side {
            Side::Theirs => self.theirs.value_mut(key),
            Side::Ours => self.ours.value_mut(key),
        };
        let Some(value) = value else { return };
        let slack = value.filled(here, beyond);
        value.progress = now;
        self.part_came(here);
        self.read(&slack[..beyond], now);
        self.settle();
    }

    /// Takes bytes that were read elsewhere, all of them: the beginning of a frame is kept until its end comes.
    pub(crate) fn receive(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        self.pace.heard(now);
        self.read(bytes, now);
        self.settle();
    }

    fn read(&mut self, mut bytes: &[u8], now: Instant) {
        while self.is_open() {
            if let Some(under_way) = self.input.under_way {
                let (here, rest) = bytes.split_at(under_way.left.min(bytes.len()));
                if here.is_empty() {
                    return;
                }
                self.put_part(under_way, here, now);
                bytes = rest;
            } else if self.input.partial.is_empty() {
                if bytes.is_empty() {
                    return;
                }
                match self.step(bytes, now) {
                    Ok(Step::Took(length)) => bytes = &bytes[length..],
                    Ok(Step::Needs(_)) => {
                        self.input.partial.extend_from_slice(bytes);
                        return;
                    }
                    Err(closed) => return self.fail(closed),
                }
            } else {
                // Taken out, so that its frame can be read while the rest of `self` changes.
                let mut partial = mem::take(&mut self.input.partial);
                let step = self.step(&partial, now);
                let mut is_enough = true;
                match &step {
                    Ok(Step::Took(_)) => partial.clear(),
                    Ok(Step::Needs(length)) => {
                        let more = (length - partial.len()).min(bytes.len());
                        is_enough = more > 0;
                        partial.extend_from_slice(&bytes[..more]);
                        bytes = &bytes[more..];
                    }
                    Err(_) => {}
                }
                self.input.partial = partial;
                match step {
                    Err(closed) => return self.fail(closed),
                    Ok(_) if !is_enough => return,
                    Ok(_) => {}
                }
            }
        }
    }

    /// Puts bytes of a part where they belong.
    fn put_part(&mut self, UnderWay { of, left }: UnderWay, bytes: &[u8], now: Instant) {
        let (side, key) = match of {
            Of::Value(side, key) => (side, key),
            Of::Stream(id) => {
                self.data_came(id, bytes, left - bytes.len());
                return self.part_came(bytes.len());
            }
        };
        let value = match side {
            Side::Theirs => self.theirs.value_mut(key),
            Side::Ours => self.ours.value_mut(key),
        };
        // None: its call was dropped meanwhile.
        if let Some(value) = value {
            value.put(bytes);
            value.progress = now;
        }
        self.part_came(bytes.len());
    }

    /// `length` bytes of the part under way came.
    fn part_came(&mut self, length: usize) {
        let Some(UnderWay { of, left }) = &mut self.input.under_way else { return };
        let of = *of;
        *left -= length;
        if *left == 0 {
            self.input.under_way = None;
        }
        match of {
            Of::Value(Side::Theirs, key) => self.arguments_came(key, length),
            Of::Value(Side::Ours, key) => self.reply_came(key, length),
            Of::Stream(_) => {}
        }
    }

    /// Reads the frame that `bytes` begin with, or only the head of a part of a value or of a stream.
    fn step(&mut self, bytes: &[u8], now: Instant) -> Result<Step, Closed> {
        let Some((&header, after)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(Step::Needs(HEADER_BYTES));
        };
        if self.peer.is_none() {
            check_first(header, bytes)?;
        }
        let Header { kind, length } = Header::read(header)?;
        if let Some(kind @ (Kind::Part | Kind::StreamData)) = kind {
            let body = &after[..length.min(after.len())];
            let (tag, tag_length) = match number(body) {
                Number::Read(tag, tag_length) => (tag, tag_length),
                Number::Cut if body.len() < length => return Ok(Step::Needs(bytes.len() + 1)),
                _ => {
                    let name = if kind == Kind::Part { "Part" } else { "StreamData" };
                    return Err(Reader::new(name, body).wrong("it does not begin with a number"));
                }
            };
            match kind {
                Kind::Part => self.receive_part(tag, length - tag_length, now)?,
                _ => self.receive_data(tag, length - tag_length)?,
            }
            return Ok(Step::Took(HEADER_BYTES + tag_length));
        }
        let Some(body) = after.get(..length) else { return Ok(Step::Needs(HEADER_BYTES + length)) };
        match kind {
            Some(kind) => self.receive_frame(kind, body, now)?,
            None => self.pace.useless(now)?,
        }
        Ok(Step::Took(HEADER_BYTES + length))
    }

    fn receive_frame(&mut self, kind: Kind, body: &[u8], now: Instant) -> Result<(), Closed> {
        match kind {
            Kind::Call => self.receive_call(body, now),
            Kind::End => self.receive_end(body, now),
            Kind::Credit => self.receive_credit(body),
            Kind::Cancel => self.receive_cancel(body, now),
            Kind::Grant => self.receive_grant(body),
            Kind::Open => self.receive_open(body),
            Kind::Opened => self.receive_opened(body),
            Kind::Ping => self.receive_ping(body, now),
            Kind::Pong => self.receive_pong(body, now),
            Kind::GoAway => self.receive_go_away(body),
            Kind::Hello => self.receive_hello(body),
            Kind::StreamCredit => self.receive_stream_credit(body),
            Kind::StreamEnd => self.receive_stream_end(body),
            Kind::StreamAbort => self.receive_stream_abort(body),
            // Read by `step`, while it comes.
            Kind::Part | Kind::StreamData => Ok(()),
        }
    }

    fn receive_hello(&mut self, body: &[u8]) -> Result<(), Closed> {
        if self.peer.is_some() {
            return Err(Closed::protocol("the peer sent a second `Hello`"));
        }
        let hello = Hello::read(body)?;
        self.theirs.reply_credit = u64::from(hello.limits.reply_bytes);
        self.peer = Some(hello.limits);
        self.pace.greeted();
        Ok(())
    }
}

/// That the first bytes of a session are those of a `Hello`, and not of another protocol.
fn check_first(header: [u8; HEADER_BYTES], bytes: &[u8]) -> Result<(), Closed> {
    let [a, b, c, kind] = header;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    if kind == Kind::Hello as u8 && length <= HELLO_BYTES_MAX {
        return Ok(());
    }
    Err(Closed::protocol(format!(
        "the peer does not speak this protocol: a session begins with a `Hello` of at most {HELLO_BYTES_MAX} bytes, \
         this one with `{}`",
        escaped(bytes)
    )))
}

/// What became of some bytes.
#[derive(Debug)]
enum Step {
    /// So many of them were understood.
    Took(usize),
    /// Nothing was; so many are needed at least.
    Needs(usize),
}
