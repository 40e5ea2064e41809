//! Time: pings, patience, and how often a peer may do what does nothing.

use std::time::{Duration, Instant};

use super::{
    alarm::Side,
    closed::{Closed, ClosedKind},
    config::Config,
    frame::Kind,
    session::{Core, Phase},
    wire::Reader,
};

/// What happens by itself, and when.
#[derive(Debug)]
pub(super) struct Pace {
    /// The latest time that this session was told.
    pub(super) now: Instant,
    /// Until the peer has said `Hello`.
    hello_by: Option<Instant>,
    /// After so long without a byte. None before the `Hello`.
    ping_at: Option<Instant>,
    /// Pings since the last byte.
    pings_missed: u32,
    /// Granted values are looked at.
    stalls_at: Option<Instant>,
    /// The peer must have taken something of a batch by then, once it is being written.
    take_by: Option<Instant>,
    /// Whether that time was over once: a driver that was held up has a second one to write.
    is_late: bool,
    /// Other sessions may have given memory back, of which they do not tell.
    host_at: Option<Instant>,
    /// Buffers of an idle session are given back.
    trim_at: Option<Instant>,
    cancels: Rate,
    useless: Rate,
    ping_interval: Duration,
    stall_timeout: Duration,
    flush_timeout: Duration,
}

impl Pace {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        Self {
            now,
            hello_by: now.checked_add(config.hello_timeout),
            ping_at: None,
            pings_missed: 0,
            stalls_at: None,
            take_by: None,
            is_late: false,
            host_at: None,
            trim_at: None,
            cancels: Rate::new(config.cancels_per_second_max, now),
            useless: Rate::new(config.useless_per_second_max, now),
            ping_interval: config.ping_interval,
            stall_timeout: config.stall_timeout,
            flush_timeout: config.flush_timeout,
        }
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.pings_missed = 0;
        if self.hello_by.is_none() {
            self.ping_at = now.checked_add(self.ping_interval);
        }
    }

    /// The peer has said `Hello`.
    pub(super) fn greeted(&mut self) {
        self.hello_by = None;
        self.ping_at = self.now.checked_add(self.ping_interval);
    }

    /// A call is made: buffers will be there to be given back.
    pub(super) fn in_use(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.trim_at.is_none() {
            self.trim_at = now.checked_add(TRIM_AFTER);
        }
    }

    /// There is something to take.
    pub(super) fn writes(&mut self, now: Instant) {
        if self.take_by.is_none() {
            self.take_by = now.checked_add(TAKE_TIMEOUT);
        }
    }

    /// The peer took some of it.
    pub(super) fn was_taken(&mut self) {
        (self.take_by, self.is_late) = (None, false);
    }

    pub(super) fn watch_stalls(&mut self) {
        if self.stalls_at.is_none() {
            self.stalls_at = self.now.checked_add(self.stall_timeout);
        }
    }

    pub(super) fn host_is_waited_for(&mut self, waits: bool) {
        self.host_at = if waits { self.now.checked_add(HOST_RETRY) } else { None };
    }

    pub(super) fn flush_until(&self) -> Instant {
        self.now.checked_add(self.flush_timeout).unwrap_or(self.now)
    }

    /// The peer cancelled a call whose handler had not ended.
    pub(super) fn cancelled(&mut self, now: Instant) -> Result<(), Closed> {
        if self.cancels.is_kept(now) {
            return Ok(());
        }
        let max = self.cancels.max;
        let why = format!("the peer cancelled more than {max} calls within a second before they had ended");
        Err(Closed::new(ClosedKind::TooManyCancels, why))
    }

    /// The peer sent something that does nothing.
    pub(super) fn useless(&mut self, now: Instant) -> Result<(), Closed> {
        if self.useless.is_kept(now) {
            return Ok(());
        }
        let max = self.useless.max;
        let why = format!("the peer sent more than {max} frames within a second that do nothing");
        Err(Closed::new(ClosedKind::Flood, why))
    }

    /// The earliest of these and of `alarm`. Asked for in every turn: a chain of iterators takes twice as long.
    fn next(&self, alarm: Option<Instant>) -> Option<Instant> {
        let earlier = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let ends = earlier(earlier(self.stalls_at, self.host_at), earlier(self.hello_by, alarm));
        earlier(earlier(earlier(self.ping_at, self.trim_at), self.take_by), ends)
    }
}

/// So many a second.
#[derive(Debug)]
struct Rate {
    second: Instant,
    count: u32,
    max: u32,
}

impl Rate {
    const fn new(max: u32, now: Instant) -> Self {
        Self { second: now, count: 0, max }
    }

    /// Counts one.
    fn is_kept(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= self.max
    }
}

impl Core {
    /// When [`tick`](Self::tick) is to be called, at the latest. May change with every other method.
    pub(crate) fn timer(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Open => self.pace.next(self.alarms.next()),
            Phase::Closing(_, by) => Some(*by),
            Phase::Over(_) => None,
        }
    }

    /// Does what it is time for. Bytes that can be read should be read before, so that a driver that was held up does
    /// not blame the peer.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.pace.now = self.pace.now.max(now);
        if let Phase::Closing(closed, by) = &self.phase {
            if *by <= now {
                self.phase = Phase::Over(closed.clone());
            }
            return;
        }
        if !self.is_open() {
            return;
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.pace.hello_by) {
            return self.fail(Closed::new(ClosedKind::Timeout, "the peer did not say `Hello` in time"));
        }
        if is_due(self.pace.take_by) {
            if self.pace.is_late {
                let why = format!("the peer took nothing for {} s", TAKE_TIMEOUT.as_secs());
                return self.fail(Closed::new(ClosedKind::Timeout, why));
            }
            self.pace.is_late = true;
            self.pace.take_by = now.checked_add(TAKE_AGAIN);
        }
        if is_due(self.pace.ping_at) && self.half_closed.is_none() {
            if self.pace.pings_missed >= PINGS_MISSED_MAX {
                let why = format!("the peer left {PINGS_MISSED_MAX} pings unanswered");
                return self.fail(Closed::new(ClosedKind::Timeout, why));
            }
            // From now, not from when it was due: a driver that was held up sends one ping, and waits for it.
            self.pace.pings_missed += 1;
            self.pace.ping_at = now.checked_add(self.pace.ping_interval);
            self.output.control(Kind::Ping, |to| to.extend_from_slice(&[0; PING_BYTES]));
        }
        self.ring(now);
        if is_due(self.pace.stalls_at) {
            self.give_up_stalled(now);
        }
        if is_due(self.pace.host_at) {
            self.grant_waiting();
        }
        if is_due(self.pace.trim_at) {
            self.trim(now);
        }
        self.settle();
    }

    /// Ends what is past its deadline.
    fn ring(&mut self, now: Instant) {
        while let Some((side, key)) = self.alarms.due(now) {
            let was_meant = match side {
                Side::Ours => self.our_deadline(key),
                Side::Theirs => self.their_deadline(key),
            };
            if !was_meant {
                self.alarms.was_stale();
            }
        }
    }

    /// One deadline is no longer meant.
    pub(super) fn leave_alarm(&mut self) {
        let (ours, theirs) = (&self.ours, &self.theirs);
        self.alarms.leave(|side, key| match side {
            Side::Ours => ours.has_deadline(key),
            Side::Theirs => theirs.has_deadline(key),
        });
    }

    fn give_up_stalled(&mut self, now: Instant) {
        let Some(since) = now.checked_sub(self.pace.stall_timeout) else { return };
        let replies = self.give_up_stalled_replies(since);
        let arguments = self.give_up_stalled_arguments(since);
        let oldest = replies.into_iter().chain(arguments).min();
        let next = oldest.and_then(|oldest| oldest.checked_add(self.pace.stall_timeout));
        // Not each value at its own moment: a peer that starts many would have all looked at for each.
        let soonest = now.checked_add(STALLS_APART);
        self.pace.stalls_at = next.and_then(|next| soonest.map(|soonest| next.max(soonest)));
    }

    /// Gives memory back that an idle session does not need.
    fn trim(&mut self, now: Instant) {
        let is_idle = self.ours.calls.is_empty() && self.theirs.calls.is_empty() && self.streams.live() == 0;
        self.pace.trim_at = if is_idle { None } else { now.checked_add(TRIM_AFTER) };
        if is_idle {
            self.ours.trim();
            self.theirs.trim();
            self.output.trim();
            self.input.trim();
            self.alarms.trim();
            self.grants.trim();
            self.streams.trim();
            self.rests.shrink_to_fit();
            self.events.shrink_to_fit();
        }
    }

    /// Shape: eight bytes, which the answer repeats.
    pub(super) fn receive_ping(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let mut reader = Reader::new("Ping", body);
        let ping: [u8; PING_BYTES] = reader.array()?;
        reader.end()?;
        self.pace.useless(now)?;
        if self.output.pongs >= PONGS_MAX {
            return Err(Closed::new(
                ClosedKind::Flood,
                format!("the peer sent pings while it took none of {PONGS_MAX} answers"),
            ));
        }
        self.output.pongs += 1;
        self.output.control(Kind::Pong, |to| to.extend_from_slice(&ping));
        Ok(())
    }

    pub(super) fn receive_pong(&mut self, body: &[u8], now: Instant) -> Result<(), Closed> {
        let mut reader = Reader::new("Pong", body);
        let _: [u8; PING_BYTES] = reader.array()?;
        reader.end()?;
        // What matters is that bytes came.
        self.pace.useless(now)
    }
}

const PING_BYTES: usize = 8;

/// How long a peer may take nothing of what is written to it. Its pings say that it lives, not that it reads: what waits
/// for it takes memory here.
const TAKE_TIMEOUT: Duration = Duration::from_secs(10);

const TAKE_AGAIN: Duration = Duration::from_secs(1);

const PINGS_MISSED_MAX: u32 = 3;

/// Waiting to be written.
const PONGS_MAX: u32 = 64;

const HOST_RETRY: Duration = Duration::from_millis(10);

const STALLS_APART: Duration = Duration::from_secs(1);

/// Long enough not to give back between two calls what the second needs again.
const TRIM_AFTER: Duration = Duration::from_secs(10);
