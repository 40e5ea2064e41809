//! How fast bytes pass, while somebody waits for it.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::EdgeOptions;
use super::alarm::Alarm;

/// How fast bytes pass, while somebody waits for it.
#[derive(Debug)]
pub(super) struct Pace {
    least: u64,
    window: Duration,
    /// Passed in this window.
    bytes: u64,
    /// Waited in this window, up to the last piece.
    waited: Duration,
    waiting_since: Option<Instant>,
    alarm: Alarm,
}

impl Pace {
    pub(super) fn new(options: &EdgeOptions) -> Self {
        Self {
            least: options.body_pace_min.saturating_mul(options.body_window.as_millis() as u64) / 1000,
            window: options.body_window,
            bytes: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            alarm: Alarm::default(),
        }
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    pub(super) fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            ready!(self.alarm.poll(cx, since + self.window.saturating_sub(self.waited)));
            if self.bytes < self.least {
                return Poll::Ready(());
            }
            self.bytes = 0;
            self.waited = Duration::ZERO;
            self.waiting_since = None;
        }
    }
}
