//! A multiplexer without types: many calls in flight, one write for all that came together, a slab of waiters, and
//! nothing else. It is what batching alone can reach on one connection: no deadlines, no cancellation, one thread.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::UnixStream,
    task::spawn_local,
};

use super::{
    Add, Ends,
    frame::{self, ANSWER_BYTES, CALL_BYTES},
};
use crate::harness::Failure;

/// Answers all calls of a read with one write.
///
/// # Errors
///
/// Those of the socket.
pub async fn serve(mut stream: UnixStream) -> Result<(), Failure> {
    let mut input = vec![0; READ_BYTES];
    let mut output = Vec::new();
    let mut filled = 0;
    loop {
        let count = stream.read(&mut input[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let (calls, _) = input[..filled].as_chunks::<CALL_BYTES>();
        for call in calls {
            output.extend_from_slice(&frame::answer(call));
        }
        let done = calls.len() * CALL_BYTES;
        input.copy_within(done..filled, 0);
        filled -= done;
        stream.write_all(&output).await?;
        output.clear();
    }
}

/// Longer than 4,096 calls, so that no batch of the rows is cut.
const READ_BYTES: usize = 256 << 10;

/// The caller's end.
#[derive(Clone, Debug)]
pub struct Mux(Rc<RefCell<Table>>);

#[derive(Debug, Default)]
struct Table {
    output: Vec<u8>,
    /// By the id of a call, which is given again when its answer was taken.
    waiters: Vec<Waiter>,
    free: Vec<u32>,
    /// Woken by the first call after a write.
    driver: Option<Waker>,
}

#[derive(Debug)]
enum Waiter {
    Sent,
    Waits(Waker),
    Answered(u64),
}

impl Ends for Mux {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        let mux = Self(Rc::default());
        let mut driver = Driver::new(stream, mux.clone());
        spawn_local(poll_fn(move |cx| driver.poll(cx)));
        Ok(mux)
    }
}

impl Add for Mux {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        let id = self.0.borrow_mut().send(a, b);
        Ok(poll_fn(|cx| self.0.borrow_mut().take(id, cx)).await)
    }
}

impl Table {
    fn send(&mut self, a: u64, b: u64) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.waiters.push(Waiter::Sent);
            u32::try_from(self.waiters.len() - 1).expect("fewer calls are in flight")
        });
        self.waiters[id as usize] = Waiter::Sent;
        self.output.extend_from_slice(&frame::call(id, a, b));
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
        id
    }

    fn take(&mut self, id: u32, cx: &Context<'_>) -> Poll<u64> {
        let waiter = &mut self.waiters[id as usize];
        if let Waiter::Answered(sum) = *waiter {
            self.free.push(id);
            return Poll::Ready(sum);
        }
        *waiter = Waiter::Waits(cx.waker().clone());
        Poll::Pending
    }

    fn answered(&mut self, id: u32, sum: u64) {
        let waiter = std::mem::replace(&mut self.waiters[id as usize], Waiter::Answered(sum));
        if let Waiter::Waits(waker) = waiter {
            waker.wake();
        }
    }
}

/// Moves the bytes of one connection.
struct Driver {
    stream: UnixStream,
    mux: Mux,
    input: Vec<u8>,
    filled: usize,
    /// What is being written, and how much of it was.
    output: Vec<u8>,
    written: usize,
}

impl Driver {
    fn new(stream: UnixStream, mux: Mux) -> Self {
        Self { stream, mux, input: vec![0; READ_BYTES], filled: 0, output: Vec::new(), written: 0 }
    }

    /// Ready when the connection is gone. Calls that wait then wait until the run gives up.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut buffer = ReadBuf::new(&mut self.input[self.filled..]);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.filled += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
            }
            self.hand_out();
        }
        loop {
            if self.written == self.output.len() {
                let mut table = self.mux.0.borrow_mut();
                self.written = 0;
                self.output.clear();
                if table.output.is_empty() {
                    table.driver = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                std::mem::swap(&mut self.output, &mut table.output);
            }
            match Pin::new(&mut self.stream).poll_write(cx, &self.output[self.written..]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
    }

    fn hand_out(&mut self) {
        let mut table = self.mux.0.borrow_mut();
        let (answers, _) = self.input[..self.filled].as_chunks::<ANSWER_BYTES>();
        for answer in answers {
            let (id, sum) = frame::read(answer);
            table.answered(id, sum);
        }
        let done = answers.len() * ANSWER_BYTES;
        self.input.copy_within(done..self.filled, 0);
        self.filled -= done;
    }
}
