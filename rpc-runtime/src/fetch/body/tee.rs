//! Two bodies from one.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, BodyError};

/// One of the two.
pub(super) struct Half {
    shared: Arc<Shared>,
    /// Its place in the pairs below.
    at: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Locked for the length of a copy alone, because the source may wake while it is polled.
    readers: Mutex<[Option<Waker>; 2]>,
}

struct State {
    /// `None` after its end.
    source: Option<Body>,
    failed: Option<BodyError>,
    halves: [Behind; 2],
    limit: usize,
}

/// What one half has not read yet.
#[derive(Default)]
struct Behind {
    frames: VecDeque<Frame<Bytes>>,
    /// Of data.
    bytes: usize,
    /// What all of it takes in memory, about.
    cost: usize,
    is_gone: bool,
    /// It fell too far behind, and has not been told yet.
    overflowed: bool,
}

/// Makes two of a body that streams.
pub(super) fn tee(source: Body, limit: usize) -> [Half; 2] {
    let state = State { source: Some(source), failed: None, halves: Default::default(), limit };
    let shared = Arc::new(Shared { state: Mutex::new(state), readers: Mutex::default() });
    [0, 1].map(|at| Half { shared: Arc::clone(&shared), at })
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_reader(&self, at: usize, reader: Option<Waker>) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)[at] = reader;
    }
}

impl Wake for Shared {
    /// Both, because the one that asked last may never ask again.
    fn wake(self: Arc<Self>) {
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        readers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl State {
    /// The next frame of the source, put before the other half too.
    fn poll_source(
        &mut self,
        at: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(self.failed.as_ref().map(|error| Err(error.again())));
        };
        match Pin::new(source).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                let limit = self.limit;
                let frame = self.halves[1 - at].keep(frame, limit);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.source = None;
                let error = self.failed.insert(error);
                Poll::Ready(Some(Err(error.again())))
            }
            Poll::Ready(None) => {
                self.source = None;
                Poll::Ready(None)
            }
        }
    }
}

impl Behind {
    fn keep(&mut self, frame: Frame<Bytes>, limit: usize) -> Frame<Bytes> {
        if self.is_gone || self.overflowed {
            return frame;
        }
        let (copy, frame) = match frame.into_data() {
            Ok(data) => (Frame::data(data.clone()), Frame::data(data)),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => (Frame::trailers(trailers.clone()), Frame::trailers(trailers)),
                Err(frame) => return frame,
            },
        };
        if copy.data_ref().is_some_and(Bytes::is_empty) {
            return frame;
        }
        self.bytes += copy.data_ref().map_or(0, Bytes::len);
        self.cost += cost(&copy);
        if self.bytes > limit || self.cost > limit.saturating_add(FREE) {
            *self = Self { overflowed: true, ..Self::default() };
        } else {
            self.frames.push_back(copy);
        }
        frame
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.data_ref().map_or(0, Bytes::len);
        self.cost -= cost(&frame);
        Some(frame)
    }
}

/// What a frame takes: a source that gives single bytes is one of many frames.
fn cost(frame: &Frame<Bytes>) -> usize {
    let of_fields = |trailers: &HeaderMap| {
        trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + FRAME_BYTES).sum::<usize>()
    };
    FRAME_BYTES + frame.data_ref().map_or(0, Bytes::len) + frame.trailers_ref().map_or(0, of_fields)
}

/// A frame in the list, and what its bytes have beside them.
const FRAME_BYTES: usize = 128;

/// What is not counted, so that a limit is one of bytes where the pieces of a body are as large as those of a network:
/// 4,096 of them.
const FREE: usize = 4096 * FRAME_BYTES;

impl HttpBody for Half {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (shared, at) = (&self.shared, self.at);
        let mut state = shared.state();
        let own = &mut state.halves[at];
        if own.overflowed {
            own.is_gone = true;
            own.overflowed = false;
            return Poll::Ready(Some(Err(BodyError::too_large(state.limit))));
        }
        if let Some(frame) = own.next() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if own.is_gone {
            return Poll::Ready(None);
        }
        shared.set_reader(at, Some(cx.waker().clone()));
        let both = Waker::from(Arc::clone(shared));
        let polled = state.poll_source(at, &mut Context::from_waker(&both));
        drop(state);
        if let Poll::Ready(frame) = &polled {
            shared.set_reader(at, None);
            // The other half has something to read, or is at its end.
            Arc::clone(shared).wake();
            if !matches!(frame, Some(Ok(_))) {
                shared.state().halves[at].is_gone = true;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.state();
        let own = &state.halves[self.at];
        let source_ended = match &state.source {
            Some(source) => source.is_end_stream(),
            None => state.failed.is_none(),
        };
        own.frames.is_empty() && !own.overflowed && (own.is_gone || source_ended)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.shared.state();
        let own = state.halves[self.at].bytes as u64;
        let rest = state.source.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(own));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(own)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.halves[self.at] = Behind { is_gone: true, ..Behind::default() };
        // Nobody is left to read it. Dropped without the lock: it runs code of others.
        let source = if state.halves[1 - self.at].is_gone { state.source.take() } else { None };
        drop(state);
        drop(source);
    }
}
