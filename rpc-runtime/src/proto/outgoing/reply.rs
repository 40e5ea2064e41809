//! Replies, and the credit for them.

use std::{mem, time::Instant};

use super::{DroppedReply, Reply, Stage};
use crate::proto::{
    alarm::Side,
    closed::Closed,
    config::Config,
    end::{Head, Verdict},
    event::Ended,
    frame::Kind,
    payload::Received,
    session::Core,
    streams::{Arrived, Beside, Lane, Name},
    table::Key,
    value::Value,
    wire::{Reader, put_number},
};

impl Core {
    /// The application has taken `bytes` of replies: the whole lengths of their values, each once.
    pub(crate) fn taken(&mut self, bytes: u64) {
        let is_open = self.is_open();
        let replies = &mut self.ours.replies;
        // Which of them were first pieces does not matter: their sum is what is limited.
        let first = bytes.min(replies.first_untaken);
        replies.first_untaken -= first;
        replies.owed += first;
        let rest = (bytes - first).min(replies.rest_untaken);
        replies.rest_untaken -= rest;
        let owed = replies.owed;
        if owed > 0 && owed >= u64::from(self.config.reply_bytes_max / 4) && is_open {
            replies.owed = 0;
            replies.outstanding -= owed;
            self.output.control(Kind::Credit, |to| put_number(to, owed));
        }
        if rest > 0 {
            self.grants.give_back(Side::Ours, rest);
            self.grant_waiting();
        }
    }

    pub(in crate::proto) fn receive_end(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let head = Head::read(body)?;
        let Head { number, piece, beside, .. } = head;
        let index = self.ours.calls.index_of(number);
        let Some((index, (serial, call))) =
            index.and_then(|index| Some((index, self.ours.calls.at_mut(index)?)))
        else {
            return Err(Closed::protocol(format!("the peer ended call {number}, which is not open")));
        };
        if matches!(call.stage, Stage::Receiving(_) | Stage::Dropped { reply: Some(_) }) {
            return Err(Closed::protocol(format!("the peer ended call {number} twice")));
        }
        self.ours.replies.outstanding += piece.len() as u64;
        check_end(&head, &self.config, self.ours.replies.outstanding)?;
        let key = (index, serial);
        if beside != Beside::Nothing {
            return self.receive_end_with_streams(&head, key, now);
        }
        self.take_end(&head, key, None, now);
        Ok(())
    }

    #[cold]
    fn receive_end_with_streams(&mut self, head: &Head<'_>, key: Key, now: Instant) -> Result<(), Closed> {
        self.check_streams()?;
        let number = head.number;
        let id = self.open_in(Name::new(Side::Ours, number, Lane::Callee), true)?;
        let (length, back) = match head.beside {
            Beside::Connection => {
                let back = self.begin_out(Lane::Back);
                self.name_out(back, Name::new(Side::Ours, number, Lane::Back));
                (None, Some(back))
            }
            Beside::Stream(length) => (length, None),
            Beside::Nothing => (None, None),
        };
        self.take_end(head, key, Some(Box::new(Arrived { id, length, back })), now);
        Ok(())
    }

    /// The end of a call that is open, and what goes with it.
    #[inline]
    fn take_end(&mut self, head: &Head<'_>, key: Key, arrived: Option<Box<Arrived>>, now: Instant) {
        let Head { number, verdict, used, total, piece, .. } = *head;
        let Some(call) = self.ours.calls.get_mut(key) else { return };
        // At most `value_bytes_max`, which fits.
        let rest = total as usize - piece.len();
        self.ours.replies.first_untaken += piece.len() as u64;
        self.ours.first_bytes -= u64::from(mem::take(&mut call.piece));
        match &mut call.stage {
            Stage::Dropped { reply } => {
                if rest > 0 {
                    *reply = Some(DroppedReply { left: rest, granted: false });
                } else {
                    self.remove_ours(key);
                }
                self.taken(piece.len() as u64);
                return self.stop_arrived(arrived);
            }
            // The peer need not wait for what this side will not send.
            Stage::Sending { granted: true, .. } => self.put_abort(Side::Ours, number),
            _ => {}
        }
        if rest == 0 {
            let ended = match verdict {
                Verdict::Status(status) => {
                    Ended::Reply { status, used, payload: Received::copied(piece), arrived }
                }
                Verdict::Refusal(refusal) => Ended::Refused(refusal),
            };
            self.end_ours_with(key, ended);
        } else if let Some(call) = self.ours.calls.get_mut(key) {
            let value = Value::new(piece, piece.len() + rest, now);
            call.stage = Stage::Receiving(Box::new(Reply {
                verdict,
                used,
                first: piece.len() as u64,
                value,
                granted: 0,
                arrived,
            }));
            self.grants.waiting_replies.push(key);
            self.grant_waiting();
        }
    }

    /// The beginning of a part of a reply, or its abort.
    pub(in crate::proto) fn receive_reply_part(
        &mut self,
        number: u64,
        aborted: bool,
    ) -> Result<(Key, usize), Closed> {
        let index = self.ours.calls.index_of(number);
        let call = index.and_then(|index| Some((index, self.ours.calls.at_mut(index)?)));
        let Some((index, (serial, call))) = call else {
            return Err(Closed::protocol(format!(
                "the peer sent a part of a reply to call {number}, which is not open"
            )));
        };
        let key = (index, serial);
        let (granted, left) = match &call.stage {
            Stage::Receiving(reply) => (reply.value.granted, reply.value.left()),
            Stage::Dropped { reply: Some(reply) } => (reply.granted, reply.left),
            _ => {
                return Err(Closed::protocol(format!(
                    "the peer sent a part of a reply to call {number} before its end"
                )));
            }
        };
        if aborted {
            self.reply_given_up(key);
            return Ok((key, 0));
        }
        if !granted {
            return Err(Closed::flow_control(format!(
                "the peer sent a part of its reply to call {number} before it was granted"
            )));
        }
        Ok((key, left))
    }

    /// The callee will not send the rest of a reply.
    pub(super) fn reply_given_up(&mut self, key: Key) {
        match self.ours.calls.get(key).map(|call| &call.stage) {
            Some(Stage::Receiving(_)) => {
                self.drop_reply(key);
                self.end_ours_with(key, Ended::Lost("the callee gave up its reply half-way".into()));
            }
            _ => {
                self.remove_ours(key);
            }
        }
    }

    /// `length` more bytes of a reply came.
    pub(in crate::proto) fn reply_came(&mut self, key: Key, length: usize) {
        let Some(call) = self.ours.calls.get_mut(key) else { return };
        match &mut call.stage {
            Stage::Receiving(reply) if reply.value.left() == 0 => {
                let stage = mem::replace(&mut call.stage, Stage::Sent);
                let Stage::Receiving(reply) = stage else { return };
                let Reply { verdict, used, value, granted, arrived, .. } = *reply;
                self.ours.replies.rest_untaken += granted;
                let Verdict::Status(status) = verdict else { return };
                let payload = value.into_received();
                self.end_ours_with(key, Ended::Reply { status, used, payload, arrived });
            }
            Stage::Dropped { reply: Some(reply) } => {
                reply.left -= length;
                if reply.left == 0 {
                    self.remove_ours(key);
                }
            }
            _ => {}
        }
    }

    /// Credit for replies: the peer's application has taken some.
    pub(in crate::proto) fn receive_credit(&mut self, body: &[u8]) -> Result<(), Closed> {
        let mut reader = Reader::new("Credit", body);
        let bytes = reader.number()?;
        reader.end()?;
        let max = self.peer.map_or(0, |limits| u64::from(limits.reply_bytes));
        let credit = self.theirs.reply_credit.checked_add(bytes).filter(|&credit| credit <= max);
        match credit {
            Some(_) if bytes == 0 => Err(Closed::protocol("the peer sent a `Credit` of nothing")),
            Some(credit) => {
                self.theirs.reply_credit = credit;
                Ok(())
            }
            None => Err(Closed::flow_control(format!(
                "the peer gave back {bytes} bytes of credit that were not used"
            ))),
        }
    }
}

/// That a reply is within what this side takes.
fn check_end(head: &Head<'_>, config: &Config, outstanding: u64) -> Result<(), Closed> {
    let Head { number, total, .. } = *head;
    let (value_max, credit) = (config.value_bytes_max, config.reply_bytes_max);
    if matches!(head.verdict, Verdict::Refusal(_)) && total > 0 {
        return Err(Closed::protocol(format!("the peer refused call {number} and sent a value with it")));
    }
    if total > u64::from(value_max) {
        return Err(Closed::flow_control(format!(
            "the peer's reply to call {number} is {total} bytes long where {value_max} were allowed"
        )));
    }
    if outstanding > u64::from(credit) {
        return Err(Closed::flow_control(format!(
            "the peer's reply to call {number} goes beyond its credit of {credit} bytes"
        )));
    }
    Ok(())
}
