//! Our own calls over a session, with the whole policy on.

use std::{future::pending, mem::take, time::Duration};

use bytes::Bytes;
use rpc_runtime::{CallOptions, Client, Result, service};
use tokio::{
    net::UnixStream,
    task::{JoinHandle, spawn_local, yield_now},
};

use super::{Add, Echo, Ends, Hold};
use crate::{harness::Failure, peers::ECHO_BYTES};

#[service]
trait Calc {
    async fn add(&self, a: u64, b: u64) -> Result<u64>;
    async fn suspend(&self, a: u64, b: u64) -> Result<u64>;
    async fn hold(&self) -> Result<()>;
    async fn lend(&self, bytes: &[u8]) -> Result<Bytes>;
    async fn echo_vec(&self, bytes: Vec<u8>) -> Result<Vec<u8>>;
    async fn echo_bytes(&self, bytes: Bytes) -> Result<Bytes>;
}

struct Leaf;

/// What `lend` gives back: a result cannot borrow from the arguments, and a copy would be the handler's own.
static KEPT: [u8; ECHO_BYTES] = [1; ECHO_BYTES];

impl Calc for Leaf {
    async fn add(&self, a: u64, b: u64) -> Result<u64> {
        Ok(a.wrapping_add(b))
    }

    async fn suspend(&self, a: u64, b: u64) -> Result<u64> {
        yield_now().await;
        Ok(a.wrapping_add(b))
    }

    async fn hold(&self) -> Result<()> {
        pending().await
    }

    async fn lend(&self, bytes: &[u8]) -> Result<Bytes> {
        Ok(Bytes::from_static(&KEPT[..bytes.len()]))
    }

    async fn echo_vec(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        Ok(bytes)
    }

    async fn echo_bytes(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(bytes)
    }
}

/// Serves one connection.
///
/// # Errors
///
/// Why the session ended.
pub async fn serve(stream: UnixStream) -> Result<(), Failure> {
    Ok(rpc_runtime::serve(CalcClient::new(Leaf), stream).await?)
}

/// Calls whose handler is ready at its first poll.
#[derive(Clone, Debug)]
pub struct Ready(CalcClient);

impl Ends for Ready {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(CalcClient::connect(stream).await?))
    }
}

impl Add for Ready {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        Ok(self.0.add(a, b).await?)
    }
}

impl Hold for Ready {
    async fn hold(&mut self) -> Result<(), Failure> {
        Ok(self.0.hold().await?)
    }
}

/// Calls whose handler is pending once.
#[derive(Clone, Debug)]
pub struct Suspended(CalcClient);

impl Ends for Suspended {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(CalcClient::connect(stream).await?))
    }
}

impl Add for Suspended {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        Ok(self.0.suspend(a, b).await?)
    }
}

/// Calls that shorten the deadline, each of them: it travels, and both ends keep watch.
#[derive(Clone, Debug)]
pub struct Deadline(Ready);

impl Ends for Deadline {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        let calc: CalcClient = CalcClient::connect(stream).await?;
        Ok(Self(Ready(calc.with(CallOptions::new().deadline(Duration::from_secs(10))))))
    }
}

impl Add for Deadline {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        self.0.add(a, b).await
    }
}

/// Lends the bytes and gets as many.
#[derive(Debug)]
pub struct EchoSlice(CalcClient, Vec<u8>);

impl Ends for EchoSlice {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(CalcClient::connect(stream).await?, vec![1; ECHO_BYTES]))
    }
}

impl Echo for EchoSlice {
    async fn echo(&mut self) -> Result<usize, Failure> {
        Ok(self.0.lend(&self.1).await?.len())
    }
}

/// Moves a vector.
#[derive(Debug)]
pub struct EchoVec(CalcClient, Vec<u8>);

impl Ends for EchoVec {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(CalcClient::connect(stream).await?, vec![1; ECHO_BYTES]))
    }
}

impl Echo for EchoVec {
    async fn echo(&mut self) -> Result<usize, Failure> {
        self.1 = self.0.echo_vec(take(&mut self.1)).await?;
        Ok(self.1.len())
    }
}

/// Moves a share of a run of bytes.
#[derive(Debug)]
pub struct EchoBytes(CalcClient, Bytes);

impl Ends for EchoBytes {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(CalcClient::connect(stream).await?, vec![1; ECHO_BYTES].into()))
    }
}

impl Echo for EchoBytes {
    async fn echo(&mut self) -> Result<usize, Failure> {
        self.1 = self.0.echo_bytes(take(&mut self.1)).await?;
        Ok(self.1.len())
    }
}

/// Small calls on a session that carries a large value there and back at the same time, again and again.
#[derive(Debug)]
pub struct Beside {
    calc: CalcClient,
    large: Bytes,
    transfer: Option<JoinHandle<Result<Bytes>>>,
}

/// The large value: 32 MiB less what is left for the rest of its call, which has no more than 32 MiB in all.
const LARGE_BYTES: usize = (32 << 20) - 64;

impl Ends for Beside {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        let calc = CalcClient::connect(stream).await?;
        Ok(Self { calc, large: vec![1; LARGE_BYTES].into(), transfer: None })
    }
}

impl Add for Beside {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        if self.transfer.as_ref().is_none_or(JoinHandle::is_finished) {
            if let Some(transfer) = self.transfer.take() {
                assert_eq!(transfer.await??.len(), LARGE_BYTES, "the value came back");
            }
            let (calc, large) = (self.calc.clone(), self.large.clone());
            self.transfer = Some(spawn_local(async move { calc.echo_bytes(large).await }));
        }
        Ok(self.calc.add(a, b).await?)
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        if let Some(transfer) = self.transfer.take() {
            transfer.await??;
        }
        Ok(())
    }
}
