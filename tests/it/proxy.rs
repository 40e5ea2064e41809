//! What goes wrong between two hosts, on purpose.
//!
//! A [`Proxy`] stands between two streams and carries what one sends to the other. Each direction has [`Faults`] of its
//! own, which count the bytes that have passed in that direction.

mod tests;

use std::{future::pending, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split},
    net::{TcpStream, UnixStream},
    time::sleep,
};

/// What happens to the bytes of one direction; by default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    delay: Duration,
    bytes_per_second: Option<u32>,
    slice: Option<usize>,
    flip: Option<u64>,
    end: Option<(u64, End)>,
}

/// What happens after so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both streams are closed.
    Cut,
    /// This direction ends, the other goes on.
    HalfClose,
    /// Both streams are reset.
    Reset,
    /// Nothing passes any more, in this direction.
    Stall,
}

impl Faults {
    /// Each piece that is read waits for so long before it is written.
    pub(crate) fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// No more than this passes.
    pub(crate) fn throttle(self, bytes_per_second: u32) -> Self {
        Self { bytes_per_second: Some(bytes_per_second), ..self }
    }

    /// No write is longer than this.
    pub(crate) fn slice(self, bytes: usize) -> Self {
        Self { slice: Some(bytes), ..self }
    }

    /// All bits of the byte with this number, counted from 0, are inverted.
    pub(crate) fn flip(self, byte: u64) -> Self {
        Self { flip: Some(byte), ..self }
    }

    /// After so many bytes both streams are closed.
    pub(crate) fn cut_after(self, bytes: u64) -> Self {
        Self { end: Some((bytes, End::Cut)), ..self }
    }

    /// After so many bytes the receiver sees the end of the stream; the other direction goes on.
    pub(crate) fn half_close_after(self, bytes: u64) -> Self {
        Self { end: Some((bytes, End::HalfClose)), ..self }
    }

    /// After so many bytes both streams are reset, where they are sockets of TCP; others are closed.
    pub(crate) fn reset_after(self, bytes: u64) -> Self {
        Self { end: Some((bytes, End::Reset)), ..self }
    }

    /// After so many bytes nothing passes any more, and nothing ends.
    pub(crate) fn stall_after(self, bytes: u64) -> Self {
        Self { end: Some((bytes, End::Stall)), ..self }
    }
}

/// What a proxy stands between.
pub(crate) trait Side: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes closing it a reset, where there is such a thing.
    fn reset_on_close(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Side for DuplexStream {}
impl Side for UnixStream {}
impl Side for rpc_runtime::transport::Stream {}

impl Side for TcpStream {
    fn reset_on_close(&self) -> io::Result<()> {
        socket2::SockRef::from(self).set_linger(Some(Duration::ZERO))
    }
}

/// Carries bytes between two streams.
#[derive(Debug)]
pub(crate) struct Proxy<L, R> {
    left: L,
    right: R,
    to_right: Faults,
    to_left: Faults,
}

impl<L: Side, R: Side> Proxy<L, R> {
    pub(crate) fn new(left: L, right: R) -> Self {
        Self { left, right, to_right: Faults::default(), to_left: Faults::default() }
    }

    /// What happens to what the left sends.
    pub(crate) fn rightwards(self, to_right: Faults) -> Self {
        Self { to_right, ..self }
    }

    /// What happens to what the right sends.
    pub(crate) fn leftwards(self, to_left: Faults) -> Self {
        Self { to_left, ..self }
    }

    /// Until both directions have ended; then both streams are closed.
    pub(crate) async fn run(self) {
        let (mut left_reader, mut left_writer) = split(self.left);
        let (mut right_reader, mut right_writer) = split(self.right);
        let ended = {
            let to_right = carry(&mut left_reader, &mut right_writer, self.to_right);
            let to_left = carry(&mut right_reader, &mut left_writer, self.to_left);
            tokio::pin!(to_right, to_left);
            tokio::select! {
                ended = &mut to_right => if ended == Ended::Direction { to_left.await } else { ended },
                ended = &mut to_left => if ended == Ended::Direction { to_right.await } else { ended },
            }
        };
        let left = left_reader.unsplit(left_writer);
        let right = right_reader.unsplit(right_writer);
        if ended == Ended::Reset {
            // One that is closed already needs no reset.
            let _ = (left.reset_on_close(), right.reset_on_close());
        }
    }

    /// As a task of its own, which ends with both streams.
    pub(crate) fn spawn(self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.run())
    }
}

/// How the carrying in one direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The receiver was told that there is no more.
    Direction,
    /// Everything ends.
    Both,
    Reset,
}

async fn carry<R: Side, W: Side>(
    reader: &mut ReadHalf<R>,
    writer: &mut WriteHalf<W>,
    faults: Faults,
) -> Ended {
    let mut piece = vec![0; PIECE_BYTES.min(faults.slice.unwrap_or(PIECE_BYTES))];
    let mut passed = 0_u64;
    loop {
        let left = faults.end.map(|(bytes, end)| (bytes - passed, end));
        if let Some((0, end)) = left {
            return finish(writer, end).await;
        }
        let most =
            left.map_or(piece.len(), |(bytes, _)| piece.len().min(bytes.try_into().unwrap_or(usize::MAX)));
        let piece = match reader.read(&mut piece[..most]).await {
            Ok(0) => return finish(writer, End::HalfClose).await,
            Ok(length) => &mut piece[..length],
            // Who sent has gone; who receives sees that too.
            Err(_) => return Ended::Both,
        };
        let first = passed;
        passed += piece.len() as u64;
        if let Some(byte) = faults.flip.filter(|byte| (first..passed).contains(byte)) {
            piece[(byte - first) as usize] ^= 0xff;
        }
        let wait = faults.delay + faults.time_of(piece.len());
        // A sleep of nothing takes a millisecond.
        if !wait.is_zero() {
            sleep(wait).await;
        }
        if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
            return Ended::Both;
        }
        // Sockets join what is written at once; this lets the receiver read each slice by itself.
        if faults.slice.is_some() {
            tokio::task::yield_now().await;
        }
    }
}

impl Faults {
    /// How long so many bytes take.
    fn time_of(&self, bytes: usize) -> Duration {
        self.bytes_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs(bytes as u64) / rate)
    }
}

async fn finish<W: Side>(writer: &mut WriteHalf<W>, end: End) -> Ended {
    match end {
        End::Cut => Ended::Both,
        End::Reset => Ended::Reset,
        End::Stall => pending().await,
        End::HalfClose => match writer.shutdown().await {
            Ok(()) => Ended::Direction,
            Err(_) => Ended::Both,
        },
    }
}

const PIECE_BYTES: usize = 16 << 10;
