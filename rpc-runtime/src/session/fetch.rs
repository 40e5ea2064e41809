//! A request over a session: its head is a call, and its body goes with it.
//!
//! A body that is short, and all there, travels beside its head. Any other is a stream of the session: of any length, as
//! fast as its reader reads and no faster, and passed on while it is made. So is an answer's, which goes on when the call
//! has ended. An answer that upgrades makes the call a connection: one stream each way.
//!
//! The work that sends a body is the session's, beside its handlers; a body enters the invocation that made it for each
//! poll and for its drop, as it does in process. What of a request is still on its way when its call ends goes on until
//! nobody reads it.
//!
//! To an end that takes no streams, one of an older version, a body travels whole. It may then be as long as a value (32
//! MiB), and a longer one, or one that never ends, is refused with [`is_limit`](crate::Error::is_limit).

use std::future::poll_fn;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    Arrival, Handled, Handler,
    arrival::Call,
    longest::Longest,
    outgoing::Upload,
    port::Port,
    reply::{self, Failed, Reply},
    stream::{Carried, Coming, Flow, Going, StreamBody, carried},
};
use crate::{
    Body, Client, Upgraded,
    boundary::{Begun as _, Boundary, Incoming},
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
pub(super) struct HeaderOnWire<'a> {
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
        let (body, upload) = match carried(body, longest.bytes()).await {
            Carried::Whole(body) => (body, None),
            Carried::Stream(body) if self.takes_streams().await? => (None, Some(Upload::new(body))),
            Carried::Stream(body) => (Some(body.whole(longest.bytes()).await.map_err(Failed::before)?), None),
        };
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
        let mut stage = self.submit_fetch(request, upload);
        match poll_fn(|cx| stage.poll(cx)).await {
            Reply::Failure(failed) => Err(failed),
            Reply::Answer(payload, coming) => {
                let read = reply::decoder(&payload)
                    .whole::<Result<ResponseOnWire<'_>, Error>>()
                    .map_err(|unread| Failed::after(unread.into_kind(&FETCH)))?;
                match read {
                    Ok(response) => response.into_response(coming).map_err(Failed::after),
                    Err(error) => Err(Failed::there(error)),
                }
            }
        }
    }
}

/// Serves a request by making it.
pub(super) fn serve<C: Boundary + Send + Sync>(client: C, call: Arrival) -> Handler {
    let (call, begun) = call.__begin();
    begun.__run(async move {
        let request = call.read_with(|decoder| decoder.whole::<RequestOnWire<'_>>())?;
        let request = request.into_request(call.take_body()).map_err(Handled::refused)?;
        let answered = client.fetch(request).await;
        call.take_failure()?;
        match answered {
            Ok(mut response) => {
                let upgraded = Upgraded::take(&mut response);
                let (head, body) = response.into_parts();
                let (body, going) = going(body, upgraded, &call).await.map_err(Handled::failed_on_the_way)?;
                let headers = headers_on_wire(&head.headers);
                let response = ResponseOnWire { status: head.status.as_u16(), headers, body };
                let answer = call.answer_with(true, |encoder| encoder.value(&Ok::<_, Error>(response)))?;
                Ok(answer.with_flow(going.map(|going| Flow::new(going, call.is_spawned()))))
            }
            Err(error) => {
                call.answer_with(false, |encoder| encoder.value(&Err::<ResponseOnWire<'_>, _>(error)))
            }
        }
    })
}

/// What goes beside the head of an answer, and what after it.
async fn going(
    body: Body,
    upgraded: Option<Upgraded>,
    call: &Call,
) -> Result<(Option<Bytes>, Option<Going>), Kind> {
    match upgraded {
        Some(upgraded) if call.takes_streams() => return Ok((None, Some(Going::Connection(upgraded)))),
        Some(_) => return Err(Kind::Application(NO_UPGRADE.into())),
        None => {}
    }
    Ok(match carried(body, call.bytes_max()).await {
        Carried::Whole(body) => (body, None),
        Carried::Stream(body) if call.takes_streams() => (None, Some(Going::Body(body.hooked(call.hook())))),
        Carried::Stream(body) => (Some(body.whole(call.bytes_max()).await?), None),
    })
}

const NO_UPGRADE: &str = "the answer is an upgraded connection, and the other end of the session is of an older version \
                          that takes none";

pub(super) fn headers_on_wire(headers: &HeaderMap) -> Vec<HeaderOnWire<'_>> {
    let on_wire = headers.iter().map(|(name, value)| HeaderOnWire {
        name: name.as_str(),
        value: value.as_bytes(),
        sensitive: value.is_sensitive(),
    });
    on_wire.collect()
}

pub(super) fn headers_of(on_wire: Vec<HeaderOnWire<'_>>) -> Result<HeaderMap, Kind> {
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

fn body_of(on_wire: Option<Bytes>, stream: Option<Box<StreamBody>>) -> Body {
    match (on_wire, stream) {
        (_, Some(stream)) => Body::of_session(*stream),
        (Some(bytes), None) => Body::from(bytes),
        (None, None) => Body::none(),
    }
}

impl RequestOnWire<'_> {
    fn into_request(self, stream: Option<Box<StreamBody>>) -> Result<Request, Kind> {
        let unfit = |error: http::Error| Kind::Decode(format!("the head of the request: {error}").into());
        let builder = http::Request::builder().method(self.method).uri(self.url);
        let mut request = builder.body(body_of(self.body, stream)).map_err(unfit)?;
        *request.headers_mut() = headers_of(self.headers)?;
        Ok(request)
    }
}

impl ResponseOnWire<'_> {
    fn into_response(self, coming: Option<Box<Coming>>) -> Result<Response, Kind> {
        let unfit = |error: http::Error| Kind::Decode(format!("the head of the response: {error}").into());
        let builder = http::Response::builder().status(self.status);
        let mut head = builder.body(()).map_err(unfit)?;
        *head.headers_mut() = headers_of(self.headers)?;
        let stream = match coming.map(|coming| *coming) {
            Some(Coming::Connection(connection)) => return Ok(Upgraded::of_session(connection).answer(head)),
            Some(Coming::Body(body)) => Some(Box::new(body)),
            None => None,
        };
        Ok(head.map(|()| body_of(self.body, stream)))
    }
}
