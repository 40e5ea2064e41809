//! What can be handed to a `fetch`.

use http::{Method, Uri, uri::InvalidUri};

use super::{Body, Redirect, Request};
use crate::error::Kind;

/// What [`Client::fetch`](crate::Client::fetch) takes: a [`Request`], or the URL of one.
///
/// A URL (`&str`, `String` or [`http::Uri`]) is a `GET` without a body that [follows](Redirect::Follow) redirects; it
/// must be absolute, `http` or `https`. A [`Request`] is sent once and as it is, unless it carries a [`Redirect`].
///
/// ```
/// use rpc_runtime::{Body, Client, Fetcher, Redirect, Result};
///
/// # async fn run(site: Fetcher) -> Result<()> {
/// let front = site.fetch("http://site/").await?;
/// let form = http::Request::post("http://site/form")
///     .header("content-type", "text/plain")
///     .extension(Redirect::Follow)
///     .body(Body::from("name=Ada"))?;
/// let sent = site.fetch(form).await?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a request nor a URL",
    note = "`fetch` takes an `rpc_runtime::Request`, a `&str`, a `String` or an `http::Uri`"
)]
pub trait IntoRequest: sealed::Sealed {
    /// The request. What is not usual about it is among its extensions, where [`take_redirect`] finds it: a `Result`
    /// or a tuple would be moved once more, and a request is of 264 bytes.
    #[doc(hidden)]
    fn into_request(self) -> Request;
}

/// What to do about the redirects of a request. It is told to it alone: a callee which forwards the request does not
/// follow for its caller.
///
/// # Errors
///
/// The URL that the request was to be made of cannot be one of a request.
pub(crate) fn take_redirect(request: &mut Request) -> Result<Redirect, Kind> {
    let extensions = request.extensions_mut();
    if let Some(Refused(why)) = extensions.get() {
        return Err(Kind::Decode(why.clone().into()));
    }
    Ok(extensions.remove().unwrap_or(Redirect::Manual))
}

/// There is no request to send, and why.
#[derive(Clone)]
struct Refused(String);

impl Refused {
    fn new(url: &str, why: &str) -> Self {
        let shown: String = url.chars().take(SHOWN_MAX).collect();
        let more = if shown.len() < url.len() { ".." } else { "" };
        Self(format!("the URL {shown:?}{more} cannot be fetched: {why}"))
    }

    fn into_request(self) -> Request {
        let mut request = Request::default();
        request.extensions_mut().insert(self);
        request
    }
}

/// So many characters of a URL stand in an error.
const SHOWN_MAX: usize = 200;

impl IntoRequest for Request {
    #[inline]
    fn into_request(self) -> Self {
        self
    }
}

impl IntoRequest for Uri {
    fn into_request(self) -> Request {
        if !is_http(&self) {
            return not_absolute(&self.to_string()).into_request();
        }
        let mut request = Request::new(Body::none());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self;
        request.extensions_mut().insert(Redirect::Follow);
        request
    }
}

impl IntoRequest for &str {
    fn into_request(self) -> Request {
        match self.parse::<Uri>() {
            Ok(url) => url.into_request(),
            Err(error) => no_url(self, &error).into_request(),
        }
    }
}

impl IntoRequest for String {
    fn into_request(self) -> Request {
        self.as_str().into_request()
    }
}

/// Whether this is an absolute URL of `http` or `https`, with a host, and with a port that is one if there is any.
pub(crate) fn is_http(url: &Uri) -> bool {
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else { return false };
    let host = authority.host();
    let named = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, named)| named);
    let port = named.get(host.len()..).and_then(|rest| rest.strip_prefix(':'));
    !host.is_empty() && port.is_none_or(|port| port.is_empty() || authority.port_u16().is_some())
}

/// Says what is wrong with a URL that is one: its scheme, where it has another one, its port, or that it is not absolute.
fn not_absolute(url: &str) -> Refused {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let why = match scheme {
        Some(scheme) if is_of_http(scheme) => {
            "its host is missing, or its port is none: expected `http://host:port/..`, the port up to 65535"
                .to_owned()
        }
        Some(other) if is_scheme(other) => {
            format!("its scheme is `{other}`, and there are `http` and `https`")
        }
        _ => ABSOLUTE.to_owned(),
    };
    Refused::new(url, &why)
}

/// Says what is wrong with a text that is no URL.
fn no_url(text: &str, error: &InvalidUri) -> Refused {
    let is_absolute = text.split_once("://").is_some_and(|(scheme, _)| is_of_http(scheme));
    if is_absolute { Refused::new(text, &format!("it is no URL: {error}")) } else { not_absolute(text) }
}

const ABSOLUTE: &str = "write an absolute one, such as `http://auth/health`";

fn is_of_http(scheme: &str) -> bool {
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// RFC 3986, 3.1.
fn is_scheme(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    text.starts_with(|letter: char| letter.is_ascii_alphabetic()) && text.chars().all(is_part)
}

mod sealed {
    #[expect(unnameable_types, reason = "sealing is the point")]
    pub trait Sealed {}
    impl Sealed for super::Request {}
    impl Sealed for super::Uri {}
    impl Sealed for &str {}
    impl Sealed for String {}
}
