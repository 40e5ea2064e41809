//! Streams of a session, for who reads and writes them.
//!
//! The protocol holds what has come and was not read, and what was written and has not gone: at most as much as there is
//! credit for. Here are the two ends of that: a [`Reading`] and a [`Writing`], and around them a body, what makes one, and
//! a connection.

mod body;
mod connection;
mod pour;

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    task::{JoinHandle, coop},
};

pub(super) use self::{
    body::StreamBody,
    connection::Connection,
    pour::{Carried, Pouring, carried},
};
use super::{reply, shared::Shared};
use crate::{
    BodyError, Upgraded,
    codec::Decoder,
    error::{Error, Kind},
    proto::{Arrived, Begun, Beside, Inflow, Length, Room, StreamId, TAIL_BYTES_MAX},
    raw::PooledFuture,
};

/// A stream that comes in. Dropped before its end, it tells the other end to send nothing more.
pub(super) struct Reading {
    shared: Arc<Shared>,
    id: StreamId,
    is_over: bool,
}

/// A stream that goes out. Dropped before its end, it is given up, and its reader is told so.
pub(super) struct Writing {
    shared: Arc<Shared>,
    id: StreamId,
    is_over: bool,
}

/// What goes on when a call has been answered.
pub(super) struct Flow {
    what: Going,
    /// Whether it runs in a task of its own, as the handler did.
    is_spawned: bool,
}

pub(super) enum Going {
    Body(Pouring),
    /// The call has become a connection.
    Connection(Upgraded),
}

/// What comes with the answer to a call.
pub(super) enum Coming {
    Body(StreamBody),
    Connection(Connection),
}

/// Why a stream has no more.
pub(super) enum Broken {
    /// The other end says so.
    Aborted(Error),
    /// The session has ended.
    Lost(String),
}

/// The work of sending a stream, which the session does beside its handlers.
pub(super) type Work = PooledFuture<()>;

impl Reading {
    pub(super) const fn new(shared: Arc<Shared>, id: StreamId) -> Self {
        Self { shared, id, is_over: false }
    }

    /// The next bytes; `Err` is the end, with what was said with it, or with what went wrong.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Bytes, Result<Bytes, Broken>>> {
        let inflow = match self.is_over {
            true => Inflow::Lost,
            false => self.shared.read_stream(self.id, cx.waker()),
        };
        let ended = match inflow {
            Inflow::Nothing => return Poll::Pending,
            Inflow::Data(data) => return Poll::Ready(Ok(data)),
            Inflow::End(tail) => Ok(tail),
            Inflow::Aborted(why) => Err(Broken::Aborted(read_why(&why))),
            Inflow::Lost => Err(Broken::Lost(self.shared.why_lost())),
        };
        self.is_over = true;
        Poll::Ready(Err(ended))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.leave_stream(self.id, |core| core.stream_stop(self.id));
        }
    }
}

impl Writing {
    pub(super) const fn new(shared: Arc<Shared>, id: StreamId) -> Self {
        Self { shared, id, is_over: false }
    }

    /// Ready when so many bytes can be written, or with `None` when nobody reads any more; the task is woken also if that
    /// comes later.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<Option<usize>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match self.shared.stream_room(self.id, cx.waker()) {
            Room::Bytes(room) => Poll::Ready(Some(room)),
            Room::None => Poll::Pending,
            Room::Gone => Poll::Ready(None),
        }
    }

    fn write(&self, data: Bytes) {
        self.shared.write_stream(self.id, data);
    }

    /// It is complete, and this is said with its end.
    fn end(&mut self, tail: Bytes) {
        if !mem::replace(&mut self.is_over, true) {
            self.shared.leave_stream(self.id, |core| core.stream_end(self.id, tail));
        }
    }

    /// It cannot go on, for this reason.
    fn abort(&mut self, why: &Error) {
        if !mem::replace(&mut self.is_over, true) {
            let why = write_why(why);
            self.shared.leave_stream(self.id, |core| core.stream_abort(self.id, why));
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_over {
            self.abort(&Error::outside(Kind::Cancelled("what makes it was dropped".into())));
        }
    }
}

impl Flow {
    pub(super) const fn new(what: Going, is_spawned: bool) -> Self {
        Self { what, is_spawned }
    }

    /// What the protocol is to say of it.
    pub(super) const fn beside(&self) -> Beside {
        match &self.what {
            Going::Body(body) => Beside::Stream(body.length()),
            Going::Connection(_) => Beside::Connection,
        }
    }

    /// The work of sending it.
    pub(super) fn into_work(self, shared: &Arc<Shared>, begun: Begun) -> Work {
        let to = Writing::new(Arc::clone(shared), begun.id);
        match self.what {
            // As handlers do, they share the task of the session.
            Going::Body(body) if self.is_spawned => in_a_task(body.pour(to)),
            Going::Body(body) => PooledFuture::new(coop::unconstrained(body.pour(to))),
            // Which only passes on what another task says.
            Going::Connection(upgraded) => {
                let from = begun.back.map(|back| Reading::new(Arc::clone(shared), back));
                PooledFuture::new(coop::unconstrained(connection::join(upgraded, to, from)))
            }
        }
    }
}

impl Coming {
    pub(super) fn of(shared: &Arc<Shared>, arrived: Arrived) -> Self {
        let Arrived { id, length, back } = arrived;
        let reading = Reading::new(Arc::clone(shared), id);
        match back {
            None => Self::Body(StreamBody::new(reading, length)),
            Some(back) => Self::Connection(Connection::new(reading, Writing::new(Arc::clone(shared), back))),
        }
    }
}

impl Broken {
    fn into_error(self) -> Error {
        match self {
            Self::Aborted(error) => error,
            Self::Lost(why) => Error::outside(Kind::Disconnected(why.into())),
        }
    }
}

/// Work of a task that ends when this is dropped.
struct Task(JoinHandle<()>);

fn in_a_task(work: impl Future<Output = ()> + Send + 'static) -> Work {
    match Handle::try_current() {
        Ok(runtime) => PooledFuture::new(Task(runtime.spawn(work))),
        Err(_) => PooledFuture::new(work),
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // What made the body panicked, if it did: its stream was given up as it was dropped.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The error that a reader elsewhere is to have: of the runtime if it is one, else with the same words.
fn error_of(error: &BodyError) -> Error {
    let mut below = std::error::Error::source(error);
    while let Some(cause) = below {
        if let Some(own) = cause.downcast_ref::<Error>() {
            return own.clone();
        }
        below = cause.source();
    }
    match std::error::Error::source(error) {
        Some(source) => Error::application(source.to_string()),
        None => Error::application(error.to_string()),
    }
}

fn write_why(why: &Error) -> Bytes {
    let (bytes, _) = reply::write_error(why).into_parts();
    // It is cut when it is too long; what is too long all the same is not told.
    if bytes.len() <= TAIL_BYTES_MAX { bytes.into() } else { Bytes::new() }
}

fn read_why(why: &Bytes) -> Error {
    if why.is_empty() {
        return Error::outside(Kind::Cancelled("the other end has given the stream up".into()));
    }
    let read = Decoder::new(why).whole::<Error>();
    read.unwrap_or_else(|_| Error::outside(Kind::Decode("why the other end gave the stream up".into())))
}
