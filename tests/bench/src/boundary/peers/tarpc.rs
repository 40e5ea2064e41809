//! tarpc over a socket, with postcard and a task per request, as its examples have it. Its limits are as high as the
//! rows need, and nothing else differs from its defaults.

use std::{future::pending, io, mem::take, pin::Pin};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::{Serialize, de::DeserializeOwned};
use tarpc::{
    client,
    context::{self, Context},
    serde_transport,
    server::{BaseChannel, Channel},
    tokio_serde::{Deserializer, Serializer},
    tokio_util::codec::{Framed, LengthDelimitedCodec},
};
use tokio::net::UnixStream;

use super::{Add, Echo, Ends, Hold};
use crate::{harness::Failure, peers::ECHO_BYTES};

#[tarpc::service]
trait Calc {
    async fn add(a: u64, b: u64) -> u64;
    async fn hold();
    async fn echo_vec(bytes: Vec<u8>) -> Vec<u8>;
    async fn echo_bytes(bytes: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Leaf;

impl Calc for Leaf {
    async fn add(self, _: Context, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    async fn hold(self, _: Context) {
        pending().await
    }

    async fn echo_vec(self, _: Context, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    async fn echo_bytes(self, _: Context, bytes: Bytes) -> Bytes {
        bytes
    }
}

/// Serves one connection.
///
/// # Errors
///
/// None: tarpc ends a connection that fails.
pub async fn serve(stream: UnixStream) -> Result<(), Failure> {
    let transport = serde_transport::new(framed(stream), Postcard);
    let requests = BaseChannel::with_defaults(transport).execute(Leaf.serve());
    requests
        .for_each(|response| async {
            tokio::spawn(response);
        })
        .await;
    Ok(())
}

fn framed(stream: UnixStream) -> Framed<UnixStream, LengthDelimitedCodec> {
    Framed::new(stream, LengthDelimitedCodec::new())
}

struct Postcard;

impl<T: Serialize> Serializer<T> for Postcard {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, item: &T) -> Result<Bytes, io::Error> {
        postcard::to_stdvec(item).map(Bytes::from).map_err(io::Error::other)
    }
}

impl<T: DeserializeOwned> Deserializer<T> for Postcard {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, bytes: &BytesMut) -> Result<T, io::Error> {
        postcard::from_bytes(bytes).map_err(io::Error::other)
    }
}

/// The caller's end.
#[derive(Clone, Debug)]
pub struct Tarpc(CalcClient);

impl Ends for Tarpc {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        let mut config = client::Config::default();
        config.max_in_flight_requests = IN_FLIGHT_MAX;
        config.pending_request_buffer = IN_FLIGHT_MAX;
        Ok(Self(CalcClient::new(config, serde_transport::new(framed(stream), Postcard)).spawn()))
    }
}

/// Above the 4,096 that the rows have in flight.
const IN_FLIGHT_MAX: usize = 8_192;

impl Add for Tarpc {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        Ok(self.0.add(context::current(), a, b).await?)
    }
}

impl Hold for Tarpc {
    async fn hold(&mut self) -> Result<(), Failure> {
        Ok(self.0.hold(context::current()).await?)
    }
}

/// Moves a vector, which serde writes and reads byte by byte.
#[derive(Debug)]
pub struct EchoVec(Tarpc, Vec<u8>);

impl Ends for EchoVec {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(Tarpc::connect(stream).await?, vec![1; ECHO_BYTES]))
    }
}

impl Echo for EchoVec {
    async fn echo(&mut self) -> Result<usize, Failure> {
        self.1 = self.0.0.echo_vec(context::current(), take(&mut self.1)).await?;
        Ok(self.1.len())
    }
}

/// Moves a run of bytes.
#[derive(Debug)]
pub struct EchoBytes(Tarpc, Bytes);

impl Ends for EchoBytes {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        Ok(Self(Tarpc::connect(stream).await?, vec![1; ECHO_BYTES].into()))
    }
}

impl Echo for EchoBytes {
    async fn echo(&mut self) -> Result<usize, Failure> {
        self.1 = self.0.0.echo_bytes(context::current(), take(&mut self.1)).await?;
        Ok(self.1.len())
    }
}
