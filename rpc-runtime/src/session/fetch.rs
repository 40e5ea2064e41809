//! A request over a session: its head and its body in one call.
//!
//! The body travels whole, so it may be as long as a value (32 MiB); a longer one, or one that never ends, is refused
//! with [`is_limit`](crate::Error::is_limit).

use std::future::poll_fn;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    Arrival, Handled, Handler,
    longest::Longest,
    port::Port,
    reply::{self, Failed, Reply},
};
use crate::{
    Body, Client, Upgraded,
    boundary::{Boundary, Incoming},
    codec::Encoder,
    error::{Error, Exceeded, Kind},
    fetch::{FETCH, Request, Response},
    invocation::with_current,
    shape::run,
};

/// Shape of a request; the method and the URL as text.
#[derive(Serialize, Deserialize)]
struct RequestOnWire<'a> {
    #[serde(borrow)]
    method: &'a str,
    url: &'a str,
    headers: Vec<HeaderOnWire<'a>>,
    #[serde(with = "run")]
    body: Option<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct ResponseOnWire<'a> {
    status: u16,
    #[serde(borrow)]
    headers: Vec<HeaderOnWire<'a>>,
    #[serde(with = "run")]
    body: Option<Bytes>,
}

/// A field of a head; one that comes several times stands several times, in its order.
#[derive(Serialize, Deserialize)]
struct HeaderOnWire<'a> {
    name: &'a str,
    #[serde(with = "run")]
    value: &'a [u8],
    /// Whether it is not to be printed.
    sensitive: bool,
}

impl Port {
    /// Sends a request, and gives the response when all of it is there.
    pub(crate) async fn fetch(&self, request: Request) -> Result<Response, Error> {
        match self.exchange(request).await {
            Ok(response) => Ok(response),
            Err(failed) => Err(with_current(|frame| failed.into_error(frame))),
        }
    }

    async fn exchange(&self, request: Request) -> Result<Response, Failed> {
        let (head, body) = request.into_parts();
        let longest = Longest::of_current();
        let body = whole(body, longest.bytes()).await.map_err(Failed::before)?;
        let url = head.uri.to_string();
        let request = RequestOnWire {
            method: head.method.as_str(),
            url: &url,
            headers: headers_on_wire(&head.headers),
            body,
        };
        let mut encoder = Encoder::new(longest.bytes());
        let written = encoder.value(&request);
        let request = longest.finished(written, encoder, "request", &FETCH).map_err(Failed::before)?;
        let mut stage = self.submit_fetch(request);
        match poll_fn(|cx| stage.poll(cx)).await {
            Reply::Failure(failed) => Err(failed),
            Reply::Answer(payload) => {
                let read = reply::decoder(&payload)
                    .whole::<Result<ResponseOnWire<'_>, Error>>()
                    .map_err(|unread| Failed::after(unread.into_kind(&FETCH)))?;
                match read {
                    Ok(response) => response.into_response().map_err(Failed::after),
                    Err(error) => Err(Failed::there(error)),
                }
            }
        }
    }
}

/// Serves a request by making it.
pub(super) fn serve<C: Boundary + Send + Sync>(client: C, call: Arrival) -> Handler {
    call.handle(move |call| async move {
        let request = call.read_with(|decoder| decoder.whole::<RequestOnWire<'_>>())?;
        let request = request.into_request().map_err(Handled::refused)?;
        let answered = client.fetch(request).await;
        call.take_failure()?;
        match answered {
            Ok(mut response) => {
                if Upgraded::take(&mut response).is_some() {
                    return Err(Handled::failed_on_the_way(Kind::Application(NO_UPGRADE.into())));
                }
                let (head, body) = response.into_parts();
                let body = whole(body, call.bytes_max()).await.map_err(Handled::failed_on_the_way)?;
                let headers = headers_on_wire(&head.headers);
                let response = ResponseOnWire { status: head.status.as_u16(), headers, body };
                call.answer_with(true, |encoder| encoder.value(&Ok::<_, Error>(response)))
            }
            Err(error) => {
                call.answer_with(false, |encoder| encoder.value(&Err::<ResponseOnWire<'_>, _>(error)))
            }
        }
    })
}

const NO_UPGRADE: &str = "the answer is an upgraded connection, which does not pass over a session between processes: \
                          bind to a Worker of the same host, or connect to its edge";

/// All of a body; `None` stays none.
async fn whole(body: Body, bytes_max: usize) -> Result<Option<Bytes>, Kind> {
    if body.is_none() {
        return Ok(None);
    }
    match body.bytes_up_to(bytes_max).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_too_large() => {
            Err(Kind::Limit(Exceeded::new("bytes of a body over a boundary", bytes_max as u64)))
        }
        Err(error) => Err(Kind::Application(error.to_string().into())),
    }
}

fn headers_on_wire(headers: &HeaderMap) -> Vec<HeaderOnWire<'_>> {
    let on_wire = headers.iter().map(|(name, value)| HeaderOnWire {
        name: name.as_str(),
        value: value.as_bytes(),
        sensitive: value.is_sensitive(),
    });
    on_wire.collect()
}

fn headers_of(on_wire: Vec<HeaderOnWire<'_>>) -> Result<HeaderMap, Kind> {
    // Not with room for as many: a map that would be too large panics, and one name may have them all.
    let mut headers = HeaderMap::new();
    for header in on_wire {
        let unfit = |what: &str| Kind::Decode(format!("the {what} of the header {:?}", header.name).into());
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| unfit("name"))?;
        let mut value = HeaderValue::from_bytes(header.value).map_err(|_| unfit("value"))?;
        value.set_sensitive(header.sensitive);
        let too_many = |_| Kind::Limit(Exceeded::new("names of headers", NAMES_MAX));
        headers.try_append(name, value).map_err(too_many)?;
    }
    Ok(headers)
}

/// What a `HeaderMap` holds.
const NAMES_MAX: u64 = 32_768;

fn body_of(on_wire: Option<Bytes>) -> Body {
    on_wire.map_or_else(Body::none, Body::from)
}

impl RequestOnWire<'_> {
    fn into_request(self) -> Result<Request, Kind> {
        let unfit = |error: http::Error| Kind::Decode(format!("the head of the request: {error}").into());
        let builder = http::Request::builder().method(self.method).uri(self.url);
        let mut request = builder.body(body_of(self.body)).map_err(unfit)?;
        *request.headers_mut() = headers_of(self.headers)?;
        Ok(request)
    }
}

impl ResponseOnWire<'_> {
    fn into_response(self) -> Result<Response, Kind> {
        let unfit = |error: http::Error| Kind::Decode(format!("the head of the response: {error}").into());
        let builder = http::Response::builder().status(self.status);
        let mut response = builder.body(body_of(self.body)).map_err(unfit)?;
        *response.headers_mut() = headers_of(self.headers)?;
        Ok(response)
    }
}
