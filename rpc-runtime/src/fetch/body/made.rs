//! A body that streams, as part of the invocation that made it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{BodyError, Stored};
use crate::{context::Holding, observe, panics};

/// Runs the stream inside of the invocation that made it, its drop included, and keeps that invocation from ending
/// while the stream can still produce.
pub(super) struct Made {
    stream: Option<Pin<Box<Stored>>>,
    by: Holding,
}

impl Made {
    /// The stream as part of the current invocation, or as it is outside of any.
    pub(super) fn here(stream: Pin<Box<Stored>>) -> Pin<Box<Stored>> {
        match Holding::current() {
            Some(by) => Box::pin(Self { stream: Some(stream), by }),
            None => stream,
        }
    }

    /// The stream has come to its end, and with it what it kept alive.
    fn end(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        self.by.enter(|ctx| {
            // Whoever reads has no part in it; dropped while somebody unwinds, it must not panic again.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(stream))) {
                ctx.binding().note_panic();
                observe::panic_in_drop("the body of a message", ctx.method(), ctx.binding(), payload);
            }
        });
        self.by.release();
    }
}

impl HttpBody for Made {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let polled = this.by.enter(|ctx| {
            let polled = catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll_frame(cx)));
            polled.inspect_err(|_| ctx.binding().note_panic())
        });
        let frame = match polled {
            Ok(polled) => ready!(polled),
            Err(payload) => {
                let why = format!("what makes the body panicked: {}", panics::describe(payload));
                Some(Err(BodyError::new(why)))
            }
        };
        if !matches!(frame, Some(Ok(_))) {
            this.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.as_ref().map_or_else(|| SizeHint::with_exact(0), |stream| stream.size_hint())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.end();
    }
}
