//! The way of a client to a service that is elsewhere.

use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker, ready},
};

use super::{
    dial::{Again, Dialed, Dialer, Slow},
    explain::explained,
    longest::Longest,
    outgoing::{Outgoing, Upload, Waiting},
    reply::{self, Failed, Reply},
    shared::{Access, Shared},
};
use crate::{
    buffer,
    codec::{Codec, Encoded, Encoder},
    error::{Error, Kind},
    fetch::{FETCH, Fetcher},
    invocation::with_current,
    proto::{Received, Slot},
    service::{Method, MethodInfo, Reply as _, Service, ServiceInfo},
};

/// The way to one service of one target.
pub struct Port {
    service: &'static ServiceInfo,
    way: Way,
}

enum Way {
    /// Over a session that is not made again.
    Session(Access, Slots),
    /// To an address: over the session that is there, or after one was made.
    #[cfg_attr(not(feature = "net"), expect(dead_code, reason = "there are no addresses"))]
    Address(Dialer),
}

/// What was opened: the service, and `fetch` beside it.
#[derive(Default)]
struct Slots {
    service: OnceLock<Slot>,
    fetch: OnceLock<Slot>,
}

impl Port {
    pub(super) fn over(access: Access, service: &'static ServiceInfo) -> Self {
        Self { service, way: Way::Session(access, Slots::default()) }
    }

    #[cfg(feature = "net")]
    pub(crate) fn to(dialer: Dialer, service: &'static ServiceInfo) -> Self {
        Self { service, way: Way::Address(dialer) }
    }

    /// Makes a call, and gives the future of its answer. Its first poll sends it.
    pub(crate) fn send<'k, M: Method>(&'k self, args: M::Args<'k>) -> Sending<'k, M> {
        let stage = match encode::<M>(args) {
            Ok(encoded) => Stage::Encoded(encoded),
            Err(why) => Stage::Failed(Failed::before(why)),
        };
        Sending { port: self, stage, method: PhantomData }
    }

    fn submit(&self, method: &'static MethodInfo, payload: Encoded, waker: &Waker) -> Stage {
        let outgoing = Outgoing::of_current(method, payload);
        self.submit_to(self.service, outgoing, Some(waker), |slots| &slots.service)
    }

    /// Sends a request, which no service of the target has to do with.
    pub(super) fn submit_fetch(&self, payload: Encoded, upload: Option<Upload>) -> Stage {
        let outgoing = Outgoing { upload, ..Outgoing::of_current(&FETCH, payload) };
        self.submit_to(Fetcher::INFO, outgoing, None, |slots| &slots.fetch)
    }

    /// Whether the other end takes streams: waits until it has said so.
    pub(super) async fn takes_streams(&self) -> Result<bool, Failed> {
        match &self.way {
            Way::Session(access, _) => access.greeted().await,
            Way::Address(dialer) => dialer.takes_streams().await,
        }
    }

    fn submit_to(
        &self,
        service: &'static ServiceInfo,
        outgoing: Outgoing,
        waker: Option<&Waker>,
        slot: impl FnOnce(&Slots) -> &OnceLock<Slot>,
    ) -> Stage {
        let method = outgoing.method;
        let has_deadline = outgoing.deadline.is_some();
        let sent = match &self.way {
            Way::Session(shared, slots) => {
                let slot = slot(slots);
                let opened = match slot.get() {
                    Some(slot) => Ok(*slot),
                    None => shared.open(service, "", None).map(|opened| *slot.get_or_init(|| opened)),
                };
                let sent = opened.and_then(|slot| match method.idempotent && shared.repeats {
                    false => shared.call(slot, outgoing, waker).map(|waiting| Stage::Waiting(waiting, None)),
                    true => call_twice(Arc::clone(shared), slot, outgoing).map(Stage::Slow),
                });
                match sent {
                    Err(failed) if failed.is_contract() => {
                        Ok(Stage::Slow(Box::pin(explained(Arc::clone(shared), service, method))))
                    }
                    sent => sent,
                }
            }
            Way::Address(dialer) => Ok(match dialer.call(service, outgoing, waker) {
                Dialed::Waiting(waiting, again) => Stage::Waiting(waiting, again),
                Dialed::Slow(slow) => Stage::Slow(slow),
            }),
        };
        let stage = sent.unwrap_or_else(Stage::Failed);
        if let Stage::Waiting(waiting, _) = &stage
            && has_deadline
        {
            waiting.keep_time();
        }
        stage
    }
}

/// Makes a call, and makes it again when it has ended.
fn call_twice(shared: Arc<Shared>, slot: Slot, outgoing: Outgoing) -> Result<Slow, Failed> {
    let mut first = shared.call(slot, outgoing.clone(), None)?;
    Ok(Box::pin(async move {
        let _lost = poll_fn(|cx| first.poll(cx)).await;
        match shared.call(slot, outgoing, None) {
            Ok(mut second) => poll_fn(|cx| second.poll(cx)).await,
            Err(failed) => Reply::Failure(failed),
        }
    }))
}

/// The arguments as bytes. What panics here is the caller's own `Serialize`.
fn encode<M: Method>(args: M::Args<'_>) -> Result<Encoded, Kind> {
    let longest = Longest::of_current();
    let mut encoder = Encoder::reusing(buffer::small(), longest.bytes()).checked(M::INFO);
    match catch_unwind(AssertUnwindSafe(|| M::codec().write_args(args, &mut encoder))) {
        Ok(written) => longest.finished(written, encoder, "arguments", M::INFO),
        Err(payload) => Err(Kind::panicked("the `Serialize` of an argument", payload)),
    }
}

/// A call that was sent.
///
/// Dropped before it is ready, it cancels the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct Sending<'k, M> {
    port: &'k Port,
    stage: Stage,
    method: PhantomData<fn() -> M>,
}

pub(super) enum Stage {
    /// To be sent.
    Encoded(Encoded),
    /// For its end, and perhaps for another try.
    Waiting(Waiting, Option<Box<Again>>),
    /// Connecting, or trying again.
    Slow(Slow),
    Failed(Failed),
    Ended,
}

impl Stage {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        loop {
            let reply = match self {
                Self::Waiting(waiting, _) => ready!(waiting.poll(cx)),
                Self::Slow(slow) => ready!(slow.as_mut().poll(cx)),
                Self::Encoded(_) | Self::Failed(_) | Self::Ended => {
                    match std::mem::replace(self, Self::Ended) {
                        Self::Failed(failed) => Reply::Failure(failed),
                        _ => panic!("a call was polled after it had ended"),
                    }
                }
            };
            let slow = match std::mem::replace(self, Self::Ended) {
                Self::Waiting(waiting, _) if reply.is_contract() => {
                    let (shared, service, method) = waiting.into_parts();
                    Box::pin(explained(shared, service, method))
                }
                Self::Waiting(_, Some(again)) if reply.may_be_tried_again() => again.recover(reply),
                _ => return Poll::Ready(reply),
            };
            // No session keeps the time of what comes now.
            with_current(|frame| {
                if let Some(frame) = frame {
                    frame.state.take_time_back();
                }
            });
            *self = Self::Slow(slow);
        }
    }
}

impl<M: Method> Future for Sending<'_, M> {
    type Output = M::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self.get_mut();
        if let Stage::Encoded(payload) = &mut this.stage {
            let payload = std::mem::take(payload);
            this.stage = this.port.submit(M::INFO, payload, cx.waker());
            if let Stage::Waiting(..) = this.stage {
                return Poll::Pending;
            }
        }
        let failed = match ready!(this.stage.poll(cx)) {
            Reply::Answer(payload, _) => match decode::<M>(&payload) {
                Ok(output) => {
                    if let Some(error) = (M::CAUSE)(&output) {
                        come_in(error);
                    }
                    return Poll::Ready(output);
                }
                Err(failed) => failed,
            },
            Reply::Failure(failed) => failed,
        };
        Poll::Ready(M::Output::failed(with_current(|frame| failed.into_error(frame))))
    }
}

/// An error of the runtime in the answer to the current call.
#[cold]
fn come_in(error: &Error) {
    with_current(|frame| {
        if let Some(frame) = frame {
            error.come_in(frame);
        }
    });
}

fn decode<M: Method>(payload: &Received) -> Result<M::Output, Failed> {
    let mut decoder = reply::decoder(payload);
    let read = catch_unwind(AssertUnwindSafe(|| M::codec().read_output(&mut decoder)));
    match read {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(unread)) => Err(Failed::after(unread.into_kind(M::INFO))),
        Err(payload) => Err(Failed::after(Kind::panicked("the `Deserialize` of an answer", payload))),
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("service", &self.service.name).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Sending<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
