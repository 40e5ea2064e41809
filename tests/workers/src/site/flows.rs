//! Answers that go on: bodies that stream, and connections.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use rpc_runtime::{
    Body, BodyError, Client as _, Ctx, Error, Request, Response, Result, SessionOptions, Upgraded,
    http::{self, HeaderMap, HeaderValue, StatusCode},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Pages, SiteClient};
use crate::tally::Tally;

/// How long a piece of a long body is.
pub const PIECE: usize = 64 << 10;

/// What stands at a place of a long body: each piece is filled with its number.
#[must_use]
pub fn byte_at(place: u64) -> u8 {
    (place / PIECE as u64 % 251) as u8
}

/// The pieces of a body that never ends; each is counted by `made` as it is made.
pub fn pieces(made: impl Fn() + Send + 'static) -> impl futures_util::Stream<Item = Result<Bytes>> + Send {
    stream::iter(0_u64..).map(move |number| {
        made();
        Ok(Bytes::from(vec![byte_at(number * PIECE as u64); PIECE]))
    })
}

/// What a path of `/flow` does is what it says.
pub(super) async fn flow(tally: &Tally, request: Request) -> Result<Response> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path().trim_start_matches("/flow");
    let answer =
        match path {
            "/echo" => body,
            "/endless" => endless(tally),
            "/long" => {
                let count = head.uri.query().and_then(|count| count.parse().ok()).unwrap_or_default();
                let tally = tally.clone();
                Body::from_stream(
                    pieces(move || {
                        tally.add("made");
                    })
                    .take(count),
                )
            }
            "/known" => Body::from(vec![7; 200_000]),
            "/breaks" => {
                let pieces = [Ok("one"), Ok("two"), Err(Error::denied("out of pieces"))];
                Body::from_stream(slowly(stream::iter(pieces)))
            }
            "/panics" => Body::from_stream(slowly(stream::iter(0..2).map(|number| match number {
                0 => Ok::<_, Error>("one"),
                _ => panic!("out of numbers"),
            }))),
            "/late" => Body::from_stream(slowly(stream::iter(["one", "two", "three"].map(Ok::<_, Error>)))),
            "/tenant" => Body::from_stream(slowly(stream::iter(0..2)).map(|_| {
                Ok::<_, Error>(Ctx::with(|ctx| ctx.metadata("tenant").unwrap_or("nobody").to_owned()))
            })),
            "/trailers" => Body::new(WithTrailers(Some(Bytes::from_static(b"data")), true)),
            "/unread" => "unread".into(),
            "/one" => body.chunk().await?.unwrap_or_default().into(),
            "/hold" => {
                tally.add("held");
                let _dropped = tally.at_drop("hold.dropped");
                std::future::pending::<()>().await;
                body
            }
            "/count" => counted(tally, &mut body).await.into(),
            "/chat" => return chat(tally),
            path => return Err(Error::not_found(path.to_owned())),
        };
    Ok(Response::new(answer))
}

/// Passes a request on to other pages, over a session that nobody holds.
pub(super) async fn far(tally: &Tally, mut request: Request) -> Result<Response> {
    let (here, there) = tokio::io::duplex(PIECE);
    SessionOptions::new().serve(SiteClient::from_worker(Pages::new(tally.clone()))).start(there)?;
    let uri = request.uri().to_string().replacen("/far", "", 1);
    *request.uri_mut() = uri.parse().map_err(Error::application)?;
    let session = SessionOptions::new().start(here)?;
    session.client::<SiteClient>().fetch(request).await
}

fn endless(tally: &Tally) -> Body {
    let (dropped, tally) = (tally.at_drop("body.dropped"), tally.clone());
    Body::from_stream(pieces(move || {
        let _dropped = &dropped;
        tally.add("made");
    }))
}

/// Not at once: the answer goes out before.
fn slowly<T: Send + 'static>(
    items: impl futures_util::Stream<Item = T> + Send + 'static,
) -> impl futures_util::Stream<Item = T> + Send {
    items.then(|item| async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        item
    })
}

/// How many bytes came, or why there are no more.
async fn counted(tally: &Tally, body: &mut Body) -> String {
    let mut length = 0;
    loop {
        match body.chunk().await {
            Ok(Some(data)) => {
                let is_right = |at: usize| data[at] == byte_at((length + at) as u64);
                assert!(is_right(0) && is_right(data.len() - 1), "another byte at {length}");
                length += data.len();
                tally.add("chunk");
            }
            Ok(None) => return length.to_string(),
            Err(error) => {
                tally.add("upload.failed");
                return format!("{length} and then {}", why(&error));
            }
        }
    }
}

/// What is behind an error of a body.
#[must_use]
pub fn why(error: &BodyError) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// Answers each line in capitals, and the end of what is said with `bye`.
fn chat(tally: &Tally) -> Result<Response> {
    let (mut here, there) = tokio::io::duplex(1 << 10);
    let tally = tally.clone();
    Ctx::current().wait_until(async move {
        let mut bytes = [0; 1000];
        loop {
            match here.read(&mut bytes).await {
                Ok(length @ 1..) => {
                    bytes[..length].make_ascii_uppercase();
                    if here.write_all(&bytes[..length]).await.is_err() {
                        tally.add("chat.broken");
                        break;
                    }
                }
                _ => {
                    tally.add("chat.ended");
                    let _gone = here.write_all(b"bye").await;
                    break;
                }
            }
        }
        let _gone = here.shutdown().await;
        tally.add("chat.over");
    })?;
    let head = http::Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header("upgrade", "chat");
    Ok(Upgraded::new(there).answer(head.body(())?))
}

/// Some bytes, and then a trailer.
struct WithTrailers(Option<Bytes>, bool);

impl http_body::Body for WithTrailers {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let frame = match self.0.take() {
            Some(data) => Some(http_body::Frame::data(data)),
            None => std::mem::take(&mut self.1).then(|| {
                let trailers = [(http::header::ETAG, HeaderValue::from_static("abc"))];
                http_body::Frame::trailers(HeaderMap::from_iter(trailers))
            }),
        };
        std::task::Poll::Ready(frame.map(Ok))
    }
}
