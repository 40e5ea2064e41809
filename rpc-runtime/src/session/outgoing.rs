//! A call on its way out, and the wait for its end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{
    reply::{Failed, Reply},
    shared::Shared,
    stream::Pouring,
};
use crate::{
    codec::Encoded,
    error::Kind,
    invocation::{self, Left},
    metadata::Entry,
    proto::{CallKey, Ended, Length},
    service::{MethodInfo, ServiceInfo},
};

/// All that a call takes with it.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) method: &'static MethodInfo,
    pub(super) left: Left,
    pub(super) deadline: Option<Instant>,
    /// Each with whether it goes further than one hop; the first of a key counts.
    pub(super) metadata: Vec<(Entry, bool)>,
    pub(super) payload: Encoded,
    /// What goes with it as a stream.
    pub(super) upload: Option<Upload>,
}

/// A body that goes out with a call, once: who sends the call takes it.
#[derive(Clone)]
pub(super) struct Upload(Arc<Mutex<Option<Pouring>>>);

impl Outgoing {
    /// A call of the current invocation, which is the call itself: its frame was entered before its target was asked.
    pub(super) fn of_current(method: &'static MethodInfo, payload: Encoded) -> Self {
        invocation::with_current(|frame| match frame {
            Some(frame) => Self {
                method,
                left: frame.left_to_tell(),
                deadline: frame.state.deadline.instant(),
                metadata: frame.state.metadata_on_the_way(),
                payload,
                upload: None,
            },
            None => Self {
                method,
                left: Left::of_new_pipeline(),
                deadline: None,
                metadata: Vec::new(),
                payload,
                upload: None,
            },
        })
    }
}

impl Upload {
    pub(super) fn new(body: Pouring) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// Its length, for the head of a call over a session whose other end takes streams.
    pub(super) fn announced(&self, is_taken: Option<bool>) -> Result<Length, Failed> {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*body {
            Some(body) if is_taken == Some(true) => Ok(body.length()),
            _ => Err(Failed::before(Kind::Unavailable(
                "the session was made again while the request was on its way to it".into(),
            ))),
        }
    }

    pub(super) fn take(&self) -> Option<Pouring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The place of a call in its session, until its end is taken. Dropped before, it cancels the call.
pub(super) struct Waiting {
    shared: Arc<Shared>,
    key: CallKey,
    /// `None` after its end.
    place: Option<u32>,
    /// Whether the session ends the call when its time is over.
    keeps_time: bool,
    service: &'static ServiceInfo,
    method: &'static MethodInfo,
}

/// What a session keeps for a call that waits.
#[derive(Default)]
pub(super) enum Place {
    #[default]
    Empty,
    Waits(Option<Waker>),
    Ended(Ended),
}

impl Waiting {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: CallKey,
        place: u32,
        keeps_time: bool,
        service: &'static ServiceInfo,
        method: &'static MethodInfo,
    ) -> Self {
        Self { shared, key, place: Some(place), keeps_time, service, method }
    }

    /// Leaves the time of the current invocation, which is the call, to the session: one timer for all calls.
    pub(super) fn keep_time(&self) {
        if self.keeps_time {
            invocation::with_current(|frame| {
                if let Some(frame) = frame {
                    frame.state.leave_time();
                }
            });
        }
    }

    /// What was called.
    pub(super) fn into_parts(self) -> (Arc<Shared>, &'static ServiceInfo, &'static MethodInfo) {
        (Arc::clone(&self.shared), self.service, self.method)
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Reply> {
        let place = self.place.expect("a call is not polled after its end");
        let Some(ended) = self.shared.take_end(place, cx.waker()) else { return Poll::Pending };
        self.place = None;
        if let Ended::Reply { used, .. } = &ended {
            let used = *used;
            invocation::with_current(|frame| {
                if let Some(frame) = frame {
                    frame.count_used(used.0, used.1);
                }
            });
        }
        Poll::Ready(Reply::of(ended, &self.shared))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.cancel(self.key, place);
        }
    }
}
