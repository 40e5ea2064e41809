//! Redirects: when they are followed, and what the next request is made of.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, Method, StatusCode, Uri, Version,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE,
        COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
    },
};
use iri_string::types::{UriAbsoluteStr, UriReferenceStr};

use super::{Body, Request, Response, into_request::is_http};
use crate::error::{Exceeded, Kind};

/// What to do when the answer to a request is a redirect: an extension of a [`Request`].
///
/// A request without one is [`Manual`](Self::Manual), so a request that came in and is forwarded as it is hands the
/// redirect back to whoever sent it. A URL that is fetched without a request around it is [`Follow`](Self::Follow).
/// (In the model, a request that was made anew follows too. Here it asks for it, because following keeps a copy of the
/// head, and a `fetch` in process that keeps none allocates nothing.)
///
/// ```
/// use rpc_runtime::{Body, Client, Error, Fetch, Fetcher, Redirect, Request, Response};
///
/// struct Moved;
///
/// impl Fetch for Moved {
///     async fn fetch(&self, request: Request) -> Result<Response, Error> {
///         match request.uri().path() {
///             "/old" => Ok(http::Response::builder().status(307).header("location", "/new").body(Body::none())?),
///             path => Ok(Response::new(path.to_owned().into())),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// let site = Fetcher::new(Moved);
/// let old = || http::Request::get("http://site/old");
///
/// let manual = site.fetch(old().body(Body::none())?).await?;
/// assert_eq!(manual.status(), 307);
/// let followed = site.fetch(old().extension(Redirect::Follow).body(Body::none())?).await?;
/// assert_eq!(followed.into_body().text().await?, "/new");
/// # Ok(()) }
/// ```
///
/// # Rules
///
/// Those of the Fetch standard (HTTP-redirect fetch), with these choices:
///
/// - On a binding the next request goes to the same binding, whatever its URL says; it counts against the
///   [`Limits`](crate::Limits) as the first one did. Outside of the system it goes through the same checks.
/// - At most 20 are followed; then the error [`is_limit`](crate::Error::is_limit).
/// - 303 to anything but `GET` and `HEAD`, and 301 and 302 to `POST`, become a `GET` without a body and without the
///   headers that describe one. All others keep method and body, which therefore must be complete: a body that streams
///   cannot be sent again, and such a redirect is an error.
/// - When scheme, host or port change, `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` are left out.
/// - A redirect without `Location` is an answer like any other.
/// - A deadline holds for all of them together.
/// - What fails after a redirect is never [`is_unavailable`](crate::Error::is_unavailable) nor
///   [`is_retryable`](crate::Error::is_retryable), because the request before it was answered: where the next one could
///   not be sent, the error is [`is_disconnected`](crate::Error::is_disconnected).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Go where the redirect points to, at most 20 times.
    Follow,
    /// The redirect is the answer.
    #[default]
    Manual,
    /// The redirect is an error, [`is_denied`](crate::Error::is_denied).
    Error,
}

/// Most redirects that are followed. What the Fetch standard says.
const HOPS_MAX: u32 = 20;

/// What is needed of a request when its answer points elsewhere.
#[derive(Debug)]
pub(crate) struct Trail {
    mode: Redirect,
    hops: u32,
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    extensions: Extensions,
    body: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    None,
    Complete(Bytes),
    Streaming,
}

/// What an answer leads to.
#[derive(Debug)]
pub(crate) enum Step {
    Answer(Response),
    Request(Request),
}

impl Trail {
    /// `None` for a request whose redirects are its answers.
    pub(crate) fn of(request: &Request, mode: Redirect) -> Option<Self> {
        if mode == Redirect::Manual {
            return None;
        }
        let body = match request.body() {
            body if body.is_none() => Kept::None,
            body => body.complete().map_or(Kept::Streaming, Kept::Complete),
        };
        Some(Self {
            mode,
            hops: 0,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: request.headers().clone(),
            extensions: request.extensions().clone(),
            body,
        })
    }

    /// Whether an earlier request was answered.
    pub(crate) fn has_moved(&self) -> bool {
        self.hops > 0
    }

    /// The next request, if the answer is a redirect.
    ///
    /// # Errors
    ///
    /// It is one that cannot be followed, or must not be.
    pub(crate) fn step(&mut self, response: Response) -> Result<Step, Kind> {
        let status = response.status();
        let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect(status)) else {
            return Ok(Step::Answer(response));
        };
        let shown = String::from_utf8_lossy(location.as_bytes());
        if self.mode == Redirect::Error {
            let why = format!(
                "{} answers {status} and points to {shown:?}, and its request follows none",
                self.uri
            );
            return Err(Kind::Denied(why.into()));
        }
        if self.hops == HOPS_MAX {
            return Err(Kind::Limit(Exceeded::new("redirects", u64::from(HOPS_MAX))));
        }
        let Some(next) = resolve(&self.uri, location.as_bytes()) else {
            let why = format!("{} answers {status} and points to {shown:?}, which is no http URL", self.uri);
            return Err(Kind::Decode(why.into()));
        };
        self.hops += 1;
        self.turn(status, next)?;
        Ok(Step::Request(self.request()))
    }

    fn turn(&mut self, status: StatusCode, next: Uri) -> Result<(), Kind> {
        if becomes_get(status, &self.method) {
            self.method = Method::GET;
            self.body = Kept::None;
            remove(&mut self.headers, &OF_BODIES);
        } else if let Kept::Streaming = self.body {
            return Err(Kind::Setup(
                format!(
                    "{} answers {status}, which asks for the body again at {next}, and a body that streams is sent \
                     once: collect it before, or do without `Redirect::Follow`",
                    self.uri
                )
                .into(),
            ));
        }
        if !same_origin(&self.uri, &next) {
            remove(&mut self.headers, &OF_ORIGINS);
        }
        self.uri = next;
        Ok(())
    }

    fn request(&self) -> Request {
        let body = match &self.body {
            Kept::Complete(bytes) => Body::from(bytes.clone()),
            Kept::None | Kept::Streaming => Body::none(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        request
    }
}

/// What describes a body, and goes with it.
const OF_BODIES: [HeaderName; 6] =
    [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, TRANSFER_ENCODING];

/// What is meant for one origin, and for nobody else.
const OF_ORIGINS: [HeaderName; 4] = [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION];

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => !matches!(*method, Method::GET | Method::HEAD),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        _ => false,
    }
}

/// The URL that a `Location` means, without its fragment; `None` if it is none of `http` or `https`.
fn resolve(base: &Uri, location: &[u8]) -> Option<Uri> {
    let location = std::str::from_utf8(location).ok()?;
    let location = location.split_once('#').map_or(location, |(before, _)| before);
    let reference = UriReferenceStr::new(location).ok()?;
    // A request may name its path alone, as one that came in over HTTP/1 does; the next one then does too.
    let within = base.scheme().is_none();
    let base = if within { format!("http://host{base}") } else { base.to_string() };
    let base = UriAbsoluteStr::new(&base).ok()?;
    let resolved = reference.resolve_against(base).to_string();
    let is_relative = within && reference.scheme_str().is_none() && reference.authority_str().is_none();
    let resolved = if is_relative { resolved.strip_prefix("http://host")? } else { &resolved };
    let uri = resolved.parse::<Uri>().ok()?;
    (is_relative || is_http(&uri)).then_some(uri)
}

fn same_origin(a: &Uri, b: &Uri) -> bool {
    let usual = |uri: &Uri| if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let port = |uri: &Uri| uri.port_u16().unwrap_or_else(|| usual(uri));
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    a.scheme() == b.scheme() && host(a) == host(b) && port(a) == port(b)
}
