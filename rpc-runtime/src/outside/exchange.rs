//! One request to the outside, and its answer.

use std::error::Error as StdError;

use http::{
    HeaderValue, Method, Uri, Version,
    header::{CONTENT_LENGTH, EXPECT, HOST, UPGRADE},
};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

use super::{Outside, connect::Failed};
use crate::{
    BodyError,
    error::{Error, Kind},
    fetch::{Body, Request, Response, hop_by_hop, is_http},
    invocation::{self, SUBREQUEST},
};

/// Sends a request, and gives what comes back. No redirect is followed.
pub(super) async fn exchange(outside: &Outside, mut request: Request) -> Result<Response, Error> {
    check(&request).map_err(Error::new)?;
    frame(&mut request);
    let pipeline = invocation::spend(SUBREQUEST)?;
    // Held until the head is there. The semaphore is never closed.
    let _waiting = match &pipeline {
        Some(pipeline) => pipeline.heads().acquire().await.ok(),
        None => None,
    };
    if Handle::try_current().is_err() {
        return Err(Error::new(Kind::Setup(
            "`fetch` needs a tokio runtime, and there is none on this thread".into(),
        )));
    }
    let is_head = request.method() == Method::HEAD;
    let time = outside.settings.head_timeout;
    let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    match timeout(time, outside.client().request(request)).await {
        Ok(Ok(response)) => Ok(taken(response, is_head)),
        Ok(Err(error)) => Err(failed(&server, error)),
        Err(_) => Err(Error::new(Kind::Disconnected(
            format!("no answer of {server} in {time:?}; it may have acted on the request").into(),
        ))),
    }
}

/// What can be told of a request before anything is resolved.
fn check(request: &Request) -> Result<(), Kind> {
    let url = request.uri();
    let Some(authority) = url.authority().filter(|_| is_http(url)) else {
        return Err(Kind::Decode(
            format!("the URL \"{url}\" leads nowhere outside: expected an absolute one of `http` or `https`")
                .into(),
        ));
    };
    let refused = |why: &str| Err(Kind::Denied(why.to_owned().into()));
    if authority.as_str().contains('@') {
        return refused("the URL has a user name in it, which others may log: put it into `Authorization`");
    }
    if url.port_u16() == Some(0) {
        return refused("port 0 of the URL is none that anybody listens at");
    }
    if request.headers().contains_key(UPGRADE) {
        return refused("`Upgrade` asks for another protocol, and this speaks HTTP alone");
    }
    match *request.method() {
        Method::CONNECT | Method::TRACE => refused("CONNECT and TRACE are between a client and its proxies"),
        _ => Ok(()),
    }
}

/// The head becomes one of this connection: its fields speak of it, and its body is as long as it says.
fn frame(request: &mut Request) {
    // What it came with says nothing of what it leaves by.
    *request.version_mut() = Version::HTTP_11;
    *request.extensions_mut() = http::Extensions::new();
    if request.uri().path().is_empty() {
        *request.uri_mut() = with_path(request.uri());
    }
    let length = length(request.body());
    let headers = request.headers_mut();
    hop_by_hop::remove(headers);
    headers.remove(EXPECT);
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn with_path(url: &Uri) -> Uri {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

/// What to say of the length of a body. A body of zero bytes is not the same as none.
fn length(body: &Body) -> Option<u64> {
    if body.is_none() { None } else { body.size_hint().exact() }
}

fn taken(response: http::Response<Incoming>, is_head: bool) -> Response {
    let (mut head, incoming) = response.into_parts();
    hop_by_hop::remove(&mut head.headers);
    head.extensions = http::Extensions::new();
    let has_none = is_head || matches!(head.status.as_u16(), 204 | 304);
    let body = if !incoming.is_end_stream() {
        Body::new(incoming)
    } else if head.headers.contains_key(CONTENT_LENGTH) && !has_none {
        Body::empty()
    } else {
        Body::none()
    };
    Response::from_parts(head, body)
}

fn failed(server: &str, error: hyper_util::client::legacy::Error) -> Error {
    let connecting = error.is_connect();
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    let mut innermost = String::new();
    while let Some(at) = cause {
        if let Some(Failed(kind)) = at.downcast_ref() {
            return Error::new(kind.clone());
        }
        if let Some(body) = at.downcast_ref::<BodyError>() {
            return Error::application(format!("the body of the request: {body}"));
        }
        innermost = at.to_string();
        cause = at.source();
    }
    Error::new(if connecting {
        Kind::Unavailable(format!("no connection to {server}: {innermost}").into())
    } else {
        Kind::Disconnected(
            format!("no answer of {server}: {innermost}; it may have acted on the request").into(),
        )
    })
}
