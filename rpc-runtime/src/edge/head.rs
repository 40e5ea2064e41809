//! What hyper lets through in the head of a request and must be refused.

use http::header::{HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};

/// Why a request is answered without asking the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
}

const fn bad(why: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, why }
}

/// Checks what can be seen once a head is parsed; what cannot is checked in the transport.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    transfer_encoding(request.headers())?;
    authority(request.method(), request.uri(), request.version(), request.headers())
}

/// Whether the client asks for another protocol on this HTTP/1 connection. What it sends after
/// such a request is for that protocol, and must not be taken for a second request.
pub(super) fn asks_for_tunnel<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2
        && (request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE))
}

/// One coding, `chunked`; anything else would have to be undone before the handler reads the body
/// (RFC 9112, 6.1: 501 for a coding that is not understood). It does not exist in HTTP/2.
fn transfer_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let codings =
        headers.get_all(TRANSFER_ENCODING).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let mut chunked = false;
    for coding in codings.map(<[u8]>::trim_ascii) {
        if chunked {
            return Err(bad("`chunked` must be the last transfer coding, and there once"));
        }
        if !coding.eq_ignore_ascii_case(b"chunked") {
            let status = StatusCode::NOT_IMPLEMENTED;
            return Err(Refusal { status, why: "`chunked` is the only transfer coding understood here" });
        }
        chunked = true;
    }
    Ok(())
}

/// One host, and the same one wherever it stands (RFC 9112, 3.2; RFC 9113, 8.3.1).
fn authority(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("`Host` must be there once"));
    }
    let host = match host {
        Some(value) => Some(
            Authority::try_from(value.as_bytes())
                .ok()
                .filter(is_host)
                .ok_or(bad("`Host` must be a host name, with or without a port"))?,
        ),
        None => None,
    };
    if uri.authority().is_some_and(|target| !is_host(target)) {
        return Err(bad("the host of the target must be a host name, with or without a port"));
    }
    match (uri.authority(), host) {
        (Some(target), Some(host)) if !same(target, &host) => {
            Err(bad("`Host` must be the host of the target"))
        }
        (None, None) if version > Version::HTTP_10 => Err(bad("`Host` must be there")),
        // In HTTP/1.1 it must be there even beside an absolute target; in HTTP/2 the pseudo-header
        // stands for it.
        (Some(_), None) if version == Version::HTTP_11 => Err(bad("`Host` must be there")),
        (None, _) if method == Method::CONNECT => Err(bad("the target of CONNECT must be a host and a port")),
        _ => Ok(()),
    }
}

/// A name of the DNS or an address, and perhaps a port. RFC 3986 allows more in a host (a user,
/// commas, escapes), which has no meaning for `http` and a different one for every reader.
fn is_host(authority: &Authority) -> bool {
    let (host, whole) = (authority.host(), authority.as_str());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let named = !host.is_empty() && host.bytes().all(plain) || host.starts_with('[');
    named && (whole == host || whole.starts_with(host) && authority.port_u16().is_some())
}

/// Names compare without case, and the port of `http` may be left out.
fn same(a: &Authority, b: &Authority) -> bool {
    a.host().eq_ignore_ascii_case(b.host()) && a.port_u16().unwrap_or(80) == b.port_u16().unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, uri: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap()).err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn there_is_one_host_and_it_is_valid() {
        let http1 = |headers: &[(&str, &str)]| checked(Version::HTTP_11, "/", headers);
        for host in ["a", "a:80", "A.example:8080", "127.0.0.1", "[::1]", "[::1]:80", "a_b"] {
            assert_eq!(http1(&[("host", host)]), None, "{host}");
        }
        for host in [
            "", " ", "a b/..", "a/b", "user@a", "a,b", "a%2eb", "a:port", "a:99999", "http://a", "a?b",
            "[::1",
        ] {
            assert_eq!(http1(&[("host", host)]), Some(400), "{host}");
        }
        assert_eq!(http1(&[]), Some(400));
        assert_eq!(http1(&[("host", "a"), ("host", "a")]), Some(400));
        assert_eq!(checked(Version::HTTP_10, "/", &[]), None);
    }

    #[test]
    fn the_target_and_the_host_agree() {
        for (version, uri, host, expected) in [
            (Version::HTTP_11, "http://a/", Some("a"), None),
            (Version::HTTP_11, "http://A:80/", Some("a"), None),
            (Version::HTTP_11, "http://evil/", Some("good"), Some(400)),
            (Version::HTTP_11, "http://a:81/", Some("a"), Some(400)),
            (Version::HTTP_11, "http://a/", None, Some(400)),
            (Version::HTTP_11, "http://user@a/", Some("a"), Some(400)),
            (Version::HTTP_2, "http://a/", None, None),
            (Version::HTTP_2, "http://a/", Some("b"), Some(400)),
            (Version::HTTP_2, "/", None, Some(400)),
        ] {
            let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
            assert_eq!(checked(version, uri, &headers), expected, "{uri} {host:?}");
        }
    }

    #[test]
    fn chunked_is_the_only_coding_and_there_once() {
        for (coding, expected) in [
            ("chunked", None),
            ("Chunked", None),
            ("gzip, chunked", Some(501)),
            ("identity", Some(501)),
            ("chunked, chunked", Some(400)),
            ("chunked, identity", Some(400)),
        ] {
            let headers = [("host", "a"), ("transfer-encoding", coding)];
            assert_eq!(checked(Version::HTTP_11, "/", &headers), expected, "{coding}");
        }
    }
}
