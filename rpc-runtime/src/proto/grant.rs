//! Memory for the rests of large values.
//!
//! A value longer than its first piece waits for one grant, which is for its whole rest or does not come: so whatever
//! was granted can finish, while pieces of credit shared by all could leave every value half received.

use super::{
    alarm::Side,
    closed::Closed,
    config::{Config, HostBudget},
    frame::Kind,
    session::Core,
    table::{Key, Line},
    value::Value,
    wire::{Reader, put_number},
};

/// What was granted to the peer, and who waits for it.
#[derive(Debug)]
pub(super) struct Grants {
    /// Arguments: held until the call ends.
    arguments: u64,
    /// Replies: held until the application has taken them.
    replies: u64,
    /// Windows of streams, beyond what each begins with: held as long as somebody reads them.
    streams: u64,
    max: u64,
    /// What arguments leave to replies.
    spare: u64,
    host: HostBudget,
    pub(super) waiting_arguments: Line,
    pub(super) waiting_replies: Line,
    /// Somebody waits for other sessions of the host.
    pub(super) waits_for_host: bool,
}

impl Grants {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            arguments: 0,
            replies: 0,
            streams: 0,
            max: config.granted_bytes_max,
            spare: u64::from(config.value_bytes_max),
            host: config.host.clone(),
            waiting_arguments: Line::default(),
            waiting_replies: Line::default(),
            waits_for_host: false,
        }
    }

    pub(super) const fn granted(&self) -> u64 {
        self.arguments + self.replies
    }

    fn take(&mut self, side: Side, bytes: u64) -> bool {
        let spare = match side {
            Side::Theirs => self.spare,
            Side::Ours => 0,
        };
        if self.granted() + bytes > self.max - spare {
            return false;
        }
        if !self.host.take(bytes, spare) {
            self.waits_for_host = true;
            return false;
        }
        match side {
            Side::Theirs => self.arguments += bytes,
            Side::Ours => self.replies += bytes,
        }
        true
    }

    /// Takes memory for the window of a stream. Values never wait for it, since somebody may read a stream for hours: it
    /// is a quarter beside what is granted to them, and takes no more than half of what the host has.
    pub(super) fn take_stream(&mut self, bytes: u64) -> bool {
        let is_taken = self.streams + bytes <= self.max / 4 && self.host.take(bytes, self.host.half());
        if is_taken {
            self.streams += bytes;
        }
        is_taken
    }

    /// Leaves nothing for windows of streams.
    #[cfg(test)]
    pub(super) fn exhaust(&mut self) {
        self.max = 0;
    }

    pub(super) fn give_back_stream(&mut self, bytes: u64) {
        self.streams -= bytes;
        self.host.give_back(bytes);
    }

    /// Those who wait for a grant of ours.
    pub(super) const fn line(&mut self, side: Side) -> &mut Line {
        match side {
            Side::Theirs => &mut self.waiting_arguments,
            Side::Ours => &mut self.waiting_replies,
        }
    }

    pub(super) fn give_back(&mut self, side: Side, bytes: u64) {
        match side {
            Side::Theirs => self.arguments -= bytes,
            Side::Ours => self.replies -= bytes,
        }
        self.host.give_back(bytes);
    }

    pub(super) fn trim(&mut self) {
        self.waiting_arguments.trim();
        self.waiting_replies.trim();
    }

    /// Of a session that ended.
    pub(super) fn clear(&mut self) {
        self.host.give_back(self.granted() + self.streams);
        (self.arguments, self.replies, self.streams) = (0, 0, 0);
        self.waiting_arguments.clear();
        self.waiting_replies.clear();
        self.waits_for_host = false;
    }
}

impl Drop for Grants {
    fn drop(&mut self) {
        self.host.give_back(self.granted() + self.streams);
    }
}

impl Core {
    /// Grants what can be granted, first come first served.
    pub(super) fn grant_waiting(&mut self) {
        if !self.is_open() {
            return;
        }
        self.grants.waits_for_host = false;
        self.grant_line(Side::Ours);
        self.grant_line(Side::Theirs);
        self.pace.host_is_waited_for(self.grants.waits_for_host);
    }

    fn grant_line(&mut self, side: Side) {
        while let Some(key) = self.grants.line(side).front() {
            let waiting = match side {
                Side::Ours => self.ours.waiting_value(key),
                Side::Theirs => self.theirs.waiting_value(key),
            };
            let Some(Waiting { number, value, granted, awaited }) = waiting else {
                self.grants.line(side).pop_stale();
                continue;
            };
            let left = value.left() as u64;
            if !self.grants.take(side, left) {
                return;
            }
            value.granted = true;
            value.progress = self.pace.now;
            *granted = left;
            if let Some(awaited) = awaited {
                *awaited = value.left();
            }
            self.grants.line(side).pop();
            self.pace.watch_stalls();
            self.output.control(Kind::Grant, |to| put_number(to, number << 1 | side.way_in()));
        }
    }

    /// Shape: `call:number`, whose lowest bit says whether it is for the reply.
    pub(super) fn receive_grant(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("Grant", body);
        let tag = reader.number()?;
        reader.end()?;
        let (number, side) = (tag >> 1, Side::of_way_out(tag & 1));
        let rest = match side {
            Side::Ours => self.ours.rest_of(number),
            Side::Theirs => self.theirs.rest_of(number),
        };
        match rest {
            Rest::Waits(key, granted) => {
                *granted = true;
                self.rests.push_back((side, key));
                Ok(())
            }
            Rest::NotWanted => Ok(()),
            Rest::None => Err(Closed::flow_control(format!(
                "the peer granted the rest of a value of call {number}, which waits for no grant"
            ))),
        }
    }
}

/// A value that waits for a grant of ours.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    /// Of its call.
    pub(super) number: u64,
    pub(super) value: &'a mut Value,
    /// How much the call holds.
    pub(super) granted: &'a mut u64,
    /// How much of that has not come, where the call counts it.
    pub(super) awaited: Option<&'a mut usize>,
}

/// What a grant of the peer is for.
#[derive(Debug)]
pub(super) enum Rest<'a> {
    /// A value of the call under this key, and whether it was granted.
    Waits(Key, &'a mut bool),
    /// Its call was cancelled meanwhile.
    NotWanted,
    None,
}

impl Side {
    /// Which way the values go that this side receives with calls of `self`: 0 for arguments, 1 for replies.
    pub(super) const fn way_in(self) -> u64 {
        match self {
            Self::Theirs => 0,
            Self::Ours => 1,
        }
    }

    /// The same for values that this side sends.
    pub(super) const fn way_out(self) -> u64 {
        1 - self.way_in()
    }

    pub(super) const fn of_way_out(way: u64) -> Self {
        if way == 0 { Self::Ours } else { Self::Theirs }
    }

    pub(super) const fn of_way_in(way: u64) -> Self {
        if way == 0 { Self::Theirs } else { Self::Ours }
    }
}
