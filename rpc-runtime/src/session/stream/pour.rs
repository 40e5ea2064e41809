//! A body that goes out as a stream.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};

use super::{Length, Writing, error_of};
use crate::{
    Body, BodyError,
    codec::{Decoder, Encoder},
    error::{
        Error, Exceeded, Kind,
        leaving::{Hook, with_hook},
    },
    proto::TAIL_BYTES_MAX,
    session::fetch::{headers_of, headers_on_wire},
};

/// How a body travels.
pub(in crate::session) enum Carried {
    /// Beside the head: there is none, or it is short and all of it is there.
    Whole(Option<Bytes>),
    Stream(Pouring),
}

/// A body on its way out.
pub(in crate::session) struct Pouring {
    length: Length,
    /// What was seen of it while it was looked whether it is short.
    seen: VecDeque<Result<Frame<Bytes>, BodyError>>,
    body: Body,
    /// What may leave of errors.
    hook: Option<Arc<Hook>>,
}

/// A body of at most so many bytes which is there at once travels beside its head: as much as a piece.
const WHOLE_BYTES_MAX: usize = 64 << 10;

/// And one of at most so many pieces: each takes a hundred bytes beside its own while it is kept.
const PIECES_MAX: usize = 256;

/// Looks whether a body is short and there at once. With its head it is a value, which has `value_bytes_max`: half of
/// that, so that the other half is for the head.
pub(in crate::session) async fn carried(body: Body, value_bytes_max: usize) -> Carried {
    let (mut body, most) = (Some(body), WHOLE_BYTES_MAX.min(value_bytes_max / 2));
    poll_fn(move |cx| Poll::Ready(looked_at(body.take().unwrap_or_default(), most, cx))).await
}

fn looked_at(mut body: Body, most: usize, cx: &mut Context<'_>) -> Carried {
    let length = body.size_hint().exact();
    let (mut seen, mut bytes) = (VecDeque::new(), 0);
    if body.is_none() {
        return Carried::Whole(None);
    }
    let is_long = body.size_hint().lower() > most as u64;
    while !is_long && bytes <= most && seen.len() < PIECES_MAX {
        match Pin::new(&mut body).poll_frame(cx) {
            // They are nothing to keep, and there may be any number of them.
            Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
            Poll::Ready(Some(Ok(frame))) => {
                let is_data = frame.data_ref().map(|data| bytes += data.len()).is_some();
                seen.push_back(Ok(frame));
                // What comes after trailers is the end, which the stream says.
                if !is_data {
                    break;
                }
            }
            Poll::Ready(Some(Err(error))) => {
                seen.push_back(Err(error));
                break;
            }
            Poll::Ready(None) => return Carried::Whole(Some(together(seen, bytes))),
            Poll::Pending => break,
        }
    }
    Carried::Stream(Pouring { length, seen, body, hook: None })
}

/// Pieces of data, as one.
fn together(mut seen: VecDeque<Result<Frame<Bytes>, BodyError>>, bytes: usize) -> Bytes {
    let mut next = || seen.pop_front()?.ok()?.into_data().ok();
    let first = next().unwrap_or_default();
    if first.len() == bytes {
        return first;
    }
    let mut all = BytesMut::with_capacity(bytes);
    all.extend_from_slice(&first);
    while let Some(data) = next() {
        all.extend_from_slice(&data);
    }
    all.freeze()
}

impl Pouring {
    pub(in crate::session) const fn length(&self) -> Length {
        self.length
    }

    pub(in crate::session) fn hooked(self, hook: Option<Arc<Hook>>) -> Self {
        Self { hook, ..self }
    }

    /// All of it, for an end that takes no streams.
    pub(in crate::session) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, Kind> {
        let too_long = || {
            Kind::Limit(Exceeded::new(
                "bytes of a body over a boundary to who takes no streams",
                bytes_max as u64,
            ))
        };
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Err(too_long());
        }
        let mut all = BytesMut::new();
        while let Some(frame) = self.next().await {
            let frame = frame.map_err(|error| Kind::Application(error.to_string().into()))?;
            if let Ok(data) = frame.into_data() {
                if data.len() > bytes_max - all.len() {
                    return Err(too_long());
                }
                all.extend_from_slice(&data);
            }
        }
        Ok(all.freeze())
    }

    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.seen.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    /// Sends it, as fast as it is read and no faster.
    pub(in crate::session) async fn pour(mut self, mut to: Writing) {
        let hook = self.hook.take();
        let mut tail = Bytes::new();
        // `Ready(None)` also when nobody reads any more: the rest of the body is dropped then.
        while let Some(frame) = poll_fn(|cx| match to.poll_room(cx) {
            Poll::Ready(Some(_)) => self.poll_next(cx),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
        {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => to.write(data),
                Ok(Err(frame)) => match frame.into_trailers().map(|trailers| write_trailers(&trailers)) {
                    Ok(Ok(trailers)) => tail = trailers,
                    Ok(Err(why)) => return to.abort(&Error::outside(why)),
                    Err(_) => {}
                },
                Err(error) => return with_hook(hook.as_ref(), || to.abort(&error_of(&error))),
            }
        }
        to.end(tail);
    }
}

fn write_trailers(trailers: &HeaderMap) -> Result<Bytes, Kind> {
    let mut encoder = Encoder::new(TAIL_BYTES_MAX);
    let written = encoder.value(&headers_on_wire(trailers));
    written.map_err(|_| Kind::Limit(Exceeded::new("bytes of trailers", TAIL_BYTES_MAX as u64)))?;
    let encoded = encoder.finish();
    Ok(encoded.chunks().flatten().copied().collect::<Vec<_>>().into())
}

pub(super) fn read_trailers(tail: &Bytes) -> Result<HeaderMap, Kind> {
    let read = Decoder::new(tail).whole();
    headers_of(read.map_err(|_| Kind::Decode("the trailers of the body".into()))?)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, task::Waker};

    use futures_util::{StreamExt as _, stream};

    use super::*;

    fn look(pieces: impl IntoIterator<Item = &'static str, IntoIter: Send + 'static>) -> Carried {
        let body = Body::from_stream(stream::iter(pieces).map(Ok::<_, Infallible>));
        looked_at(body, WHOLE_BYTES_MAX, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_body_of_few_pieces_travels_beside_its_head_and_one_of_many_does_not() {
        let Carried::Whole(Some(bytes)) = look(["a", "", "b"]) else { panic!("it is short") };
        assert_eq!(bytes, "ab");
        let nothing = std::iter::repeat_n("", 100_000).chain(["a"]);
        assert!(matches!(look(nothing), Carried::Whole(Some(bytes)) if bytes == "a"));
        let Carried::Stream(pouring) = look(std::iter::repeat_n("a", 10_000)) else { panic!("it is long") };
        assert_eq!(pouring.seen.len(), PIECES_MAX);
    }
}
