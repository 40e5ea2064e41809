//! The way of a client to a service that is elsewhere.

use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use super::{
    dial::{Again, Dialed, Dialer, Slow},
    explain::explained,
    outgoing::{Outgoing, Waiting},
    reply::{self, Failed, Reply},
    shared::Shared,
};
use crate::{
    boundary::Wired,
    codec::{Codec, Encoded, Encoder},
    error::{Error, Kind},
    fetch::{FETCH, Fetcher},
    invocation::with_current,
    proto::{Received, Slot},
    service::{MethodInfo, Reply as _, Service, ServiceInfo},
};

/// The way to one service of one target.
pub struct Port {
    service: &'static ServiceInfo,
    way: Way,
}

enum Way {
    /// Over a session that is not made again.
    Session(Arc<Shared>, Slots),
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
    pub(super) fn over(shared: Arc<Shared>, service: &'static ServiceInfo) -> Self {
        Self { service, way: Way::Session(shared, Slots::default()) }
    }

    #[cfg(feature = "net")]
    pub(crate) fn to(dialer: Dialer, service: &'static ServiceInfo) -> Self {
        Self { service, way: Way::Address(dialer) }
    }

    /// Sends a call, and gives the future of its answer.
    pub(crate) fn send<'k, M: Wired>(&'k self, args: M::Args<'k>) -> Sending<'k, M> {
        let stage = match encode::<M>(args) {
            Ok(encoded) => self.submit(M::INFO, encoded),
            Err(why) => Stage::Failed(Failed::before(why)),
        };
        Sending { stage, method: PhantomData }
    }

    fn submit(&self, method: &'static MethodInfo, payload: Encoded) -> Stage {
        self.submit_to(self.service, method, payload, |slots| &slots.service)
    }

    /// Sends a request, which no service of the target has to do with.
    pub(super) fn submit_fetch(&self, payload: Encoded) -> Stage {
        self.submit_to(Fetcher::INFO, &FETCH, payload, |slots| &slots.fetch)
    }

    fn submit_to(
        &self,
        service: &'static ServiceInfo,
        method: &'static MethodInfo,
        payload: Encoded,
        slot: impl FnOnce(&Slots) -> &OnceLock<Slot>,
    ) -> Stage {
        let outgoing = Outgoing::of_current(method, payload);
        let sent = match &self.way {
            Way::Session(shared, slots) => {
                let slot = slot(slots);
                let opened = match slot.get() {
                    Some(slot) => Ok(*slot),
                    None => shared.open(service, "").map(|opened| *slot.get_or_init(|| opened)),
                };
                let sent = opened.and_then(|slot| match method.idempotent && shared.repeats() {
                    false => shared.call(slot, outgoing).map(|waiting| Stage::Waiting(waiting, None)),
                    true => call_twice(Arc::clone(shared), slot, outgoing).map(Stage::Slow),
                });
                match sent {
                    Err(failed) if failed.is_contract() => {
                        Ok(Stage::Slow(Box::pin(explained(Arc::clone(shared), service, method))))
                    }
                    sent => sent,
                }
            }
            Way::Address(dialer) => Ok(match dialer.call(service, outgoing) {
                Dialed::Waiting(waiting, again) => Stage::Waiting(waiting, again),
                Dialed::Slow(slow) => Stage::Slow(slow),
            }),
        };
        sent.unwrap_or_else(Stage::Failed)
    }
}

/// Makes a call, and makes it again when it has ended.
fn call_twice(shared: Arc<Shared>, slot: Slot, outgoing: Outgoing) -> Result<Slow, Failed> {
    let mut first = shared.call(slot, outgoing.clone())?;
    Ok(Box::pin(async move {
        let _lost = poll_fn(|cx| first.poll(cx)).await;
        match shared.call(slot, outgoing) {
            Ok(mut second) => poll_fn(|cx| second.poll(cx)).await,
            Err(failed) => Reply::Failure(failed),
        }
    }))
}

/// The arguments as bytes. What panics here is the caller's own `Serialize`.
fn encode<M: Wired>(args: M::Args<'_>) -> Result<Encoded, Kind> {
    let mut encoder = Encoder::new(super::VALUE_BYTES_MAX).checked(M::INFO);
    match catch_unwind(AssertUnwindSafe(|| M::codec().write_args(args, &mut encoder))) {
        Ok(Ok(())) => Ok(encoder.finish()),
        Ok(Err(unwritten)) => Err(unwritten.into_kind(M::INFO)),
        Err(payload) => Err(Kind::panicked("the `Serialize` of an argument", payload)),
    }
}

/// A call that was sent.
///
/// Dropped before it is ready, it cancels the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct Sending<'k, M> {
    stage: Stage,
    method: PhantomData<fn(&'k Port) -> M>,
}

pub(super) enum Stage {
    /// For its end, and perhaps for another try.
    Waiting(Waiting, Option<Again>),
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
                Self::Failed(_) | Self::Ended => match std::mem::replace(self, Self::Ended) {
                    Self::Failed(failed) => Reply::Failure(failed),
                    _ => panic!("a call was polled after it had ended"),
                },
            };
            match std::mem::replace(self, Self::Ended) {
                Self::Waiting(waiting, _) if reply.is_contract() => {
                    let (shared, service, method) = waiting.into_parts();
                    *self = Self::Slow(Box::pin(explained(shared, service, method)));
                }
                Self::Waiting(_, Some(again)) if reply.may_be_tried_again() => {
                    *self = Self::Slow(again.recover(reply));
                }
                _ => return Poll::Ready(reply),
            }
        }
    }
}

impl<M: Wired> Future for Sending<'_, M> {
    type Output = M::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<M::Output> {
        let this = self.get_mut();
        let failed = match ready!(this.stage.poll(cx)) {
            Reply::Answer(payload) => match decode::<M>(&payload) {
                Ok(output) => {
                    if let Some(error) = M::cause(&output) {
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
            error.come_in(frame.parent, frame.state.method, frame.state.binding);
        }
    });
}

fn decode<M: Wired>(payload: &Received) -> Result<M::Output, Failed> {
    let mut decoder = reply::decoder(payload);
    let read = catch_unwind(AssertUnwindSafe(|| {
        M::codec().read_output(&mut decoder)
    }));
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
