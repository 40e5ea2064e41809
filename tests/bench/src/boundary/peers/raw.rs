//! Frames over a tokio socket, one call at a time: what a call between two processes costs without an RPC crate.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    Add, Echo, Ends,
    frame::{self, ANSWER_BYTES, LENGTH_BYTES},
};
use crate::{harness::Failure, peers::ECHO_BYTES};

/// Answers a call with its sum and every longer frame with itself, all through one buffer.
///
/// # Errors
///
/// Those of the socket.
pub async fn serve(mut stream: UnixStream) -> Result<(), Failure> {
    let mut buffer = vec![0; LENGTH_BYTES + ECHO_BYTES];
    let mut filled = 0;
    loop {
        // More room than there are bytes: tokio tries again at once when a read fills its buffer.
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let Some(length) = buffer[..filled].first_chunk() else { continue };
        let frame = LENGTH_BYTES + u32::from_le_bytes(*length) as usize;
        if filled < frame {
            continue;
        }
        // Nothing can follow: the caller waits for its answer.
        match buffer[..filled].try_into() {
            Ok(call) => stream.write_all(&frame::answer(call)).await?,
            Err(_) => stream.write_all(&buffer[..filled]).await?,
        }
        filled = 0;
    }
}

/// The caller's end.
#[derive(Debug)]
pub struct Raw {
    stream: UnixStream,
    /// A frame with a value, written from and read into the same memory.
    value: Vec<u8>,
}

impl Ends for Raw {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        let mut value = vec![1; LENGTH_BYTES + ECHO_BYTES];
        value[..LENGTH_BYTES].copy_from_slice(&frame::length(LENGTH_BYTES + ECHO_BYTES));
        Ok(Self { stream, value })
    }
}

impl Add for Raw {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        self.stream.write_all(&frame::call(0, a, b)).await?;
        let mut buffer = [0; 2 * ANSWER_BYTES];
        let mut filled = 0;
        while filled < ANSWER_BYTES {
            match self.stream.read(&mut buffer[filled..]).await? {
                0 => return Err("the other end is gone".into()),
                count => filled += count,
            }
        }
        let answer = buffer.first_chunk().expect("the buffer is longer");
        Ok(frame::read(answer).1)
    }
}

impl Echo for Raw {
    async fn echo(&mut self) -> Result<usize, Failure> {
        self.stream.write_all(&self.value).await?;
        let mut filled = 0;
        while filled < self.value.len() {
            match self.stream.read(&mut self.value[filled..]).await? {
                0 => return Err("the other end is gone".into()),
                count => filled += count,
            }
        }
        Ok(filled - LENGTH_BYTES)
    }
}
