//! A body that comes in as a stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Reading, pour};
use crate::{
    BodyError,
    error::{Error, Kind},
    proto::Length,
};

/// What the other end sends of a body, and no less than it has announced.
pub(in crate::session) struct StreamBody {
    /// `None` after its end.
    reading: Option<Reading>,
    /// What is to come, if that was said.
    left: Length,
}

impl StreamBody {
    pub(super) const fn new(reading: Reading, length: Length) -> Self {
        Self { reading: Some(reading), left: length }
    }

    fn fail(&mut self, why: Error) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.reading = None;
        Poll::Ready(Some(Err(BodyError::new(why))))
    }
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let tail = match ready!(reading.poll(cx)) {
            Ok(data) => {
                let Some(left) = this.left else { return Poll::Ready(Some(Ok(Frame::data(data)))) };
                this.left = left.checked_sub(data.len() as u64);
                if this.left.is_none() {
                    return this.fail(unlike("is longer than"));
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Err(Ok(tail)) => tail,
            Err(Err(broken)) => return this.fail(broken.into_error()),
        };
        if this.left.is_some_and(|left| left > 0) {
            return this.fail(unlike("is shorter than"));
        }
        this.reading = None;
        if tail.is_empty() {
            return Poll::Ready(None);
        }
        match pour::read_trailers(&tail) {
            Ok(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(why) => this.fail(Error::outside(why)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.reading, self.left) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(left)) => SizeHint::with_exact(left),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

fn unlike(what: &str) -> Error {
    Error::outside(Kind::Decode(format!("the body {what} the other end has announced").into()))
}
