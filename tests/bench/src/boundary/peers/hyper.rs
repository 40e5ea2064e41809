//! hyper over a socket: one kept HTTP/1 connection, bodies in postcard. It has one call in flight at a time.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Add, Echo, Ends};
use crate::{harness::Failure, peers::ECHO_BYTES};

/// Serves one connection.
///
/// # Errors
///
/// Those of the connection.
pub async fn serve(stream: UnixStream) -> Result<(), Failure> {
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await?)
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let adds = request.uri().path() == ADD;
    let body = request.into_body().collect().await?.to_bytes();
    if !adds {
        return Ok(Response::new(body.into()));
    }
    let (a, b): (u64, u64) = postcard::from_bytes(&body)?;
    Ok(Response::new(Bytes::from(postcard::to_stdvec(&a.wrapping_add(b))?).into()))
}

const ADD: &str = "/Calc/add";
const ECHO: &str = "/Calc/echo";

/// The caller's end.
#[derive(Debug)]
pub struct Hyper {
    sender: SendRequest<Full<Bytes>>,
    value: Bytes,
}

impl Hyper {
    async fn post(&mut self, path: &'static str, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = Request::post(path).body(Full::new(body))?;
        request.headers_mut().insert(HOST, const { HeaderValue::from_static("calc") });
        Ok(self.sender.send_request(request).await?.into_body().collect().await?.to_bytes())
    }
}

impl Ends for Hyper {
    async fn connect(stream: UnixStream) -> Result<Self, Failure> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, value: vec![1; ECHO_BYTES].into() })
    }
}

impl Add for Hyper {
    async fn add(&mut self, a: u64, b: u64) -> Result<u64, Failure> {
        let body = postcard::to_stdvec(&(a, b))?.into();
        Ok(postcard::from_bytes(&self.post(ADD, body).await?)?)
    }
}

impl Echo for Hyper {
    async fn echo(&mut self) -> Result<usize, Failure> {
        let value = std::mem::take(&mut self.value);
        self.value = self.post(ECHO, value).await?;
        Ok(self.value.len())
    }
}
