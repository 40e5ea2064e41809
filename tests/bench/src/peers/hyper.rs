//! hyper over loopback TCP: one kept HTTP/1 connection, client and server on the same thread.

use std::{hint::black_box, rc::Rc};

use bytes::Bytes;
use http::header::HOST;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::http::{handle, number, request};
use crate::{
    calls,
    harness::{Executor, Failure, Run},
};

async fn connect() -> Result<SendRequest<Full<Bytes>>, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
    let (near, (far, _)) = (near?, far?);
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let service = service_fn(handle::<Incoming, Full<Bytes>>);
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(far), service));
    let (sender, connection) = handshake(TokioIo::new(near)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Writes the request to the socket and reads the response from it.
///
/// # Panics
///
/// If a socket of the loopback cannot be had.
pub fn fetch(executor: &Rc<Executor>) -> Run {
    let mut sender = executor.runtime.block_on(connect()).expect("the loopback has a free port");
    calls!(executor, {
        let mut request = request(black_box(1))?;
        request.headers_mut().insert(HOST, const { http::HeaderValue::from_static("auth") });
        number(sender.send_request(request).await?.into_body()).await?
    })
}
