//! What can be handed to a `fetch`.

use http::{Method, Uri};

use super::{Body, Redirect, Request};
use crate::error::{Error, Kind};

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
pub(crate) fn take_redirect(request: &mut Request) -> Result<Redirect, Error> {
    let extensions = request.extensions_mut();
    if let Some(Refused(why)) = extensions.get() {
        return Err(why.clone());
    }
    Ok(extensions.remove().unwrap_or(Redirect::Manual))
}

/// There is no request to send.
#[derive(Clone)]
struct Refused(Error);

impl Refused {
    fn into_request(self) -> Request {
        let mut request = Request::default();
        request.extensions_mut().insert(self);
        request
    }
}

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
            Err(_) => not_absolute(self).into_request(),
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

/// Says what is wrong with it: its scheme, where it has another one, and else that it is none of these.
fn not_absolute(url: &str) -> Refused {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let other = scheme.filter(|scheme| is_scheme(scheme) && !is_of_http(scheme));
    let why = match other {
        Some(other) => format!("its scheme is `{other}`, and there are `http` and `https`"),
        None => "write an absolute one, such as `http://auth/health`".to_owned(),
    };
    Refused(Error::new(Kind::Decode(format!("the URL {url:?} cannot be fetched: {why}").into())))
}

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
