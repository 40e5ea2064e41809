//! What hyper lets through in the head of a request and must be refused.

use std::net::Ipv6Addr;

use http::header::{HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body::Body;

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
pub(super) fn check<B: Body>(request: &Request<B>) -> Result<(), Refusal> {
    // With a transfer coding there is a body, if only an empty one.
    if !request.body().is_end_stream() {
        transfer_encoding(request.headers())?;
    }
    authority(request)
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
fn authority<B>(request: &Request<B>) -> Result<(), Refusal> {
    let target = request.uri().authority().map(Authority::as_str);
    if target.is_some_and(|target| host_and_port(target.as_bytes()).is_none()) {
        return Err(bad("the host of the target must be a host name, with or without a port"));
    }
    if target.is_none() && request.method() == Method::CONNECT {
        return Err(bad("the target of CONNECT must be a host and a port"));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        // In HTTP/2 the pseudo-header stands for it.
        let needed = match request.version() {
            Version::HTTP_11 => true,
            Version::HTTP_2 => target.is_none(),
            _ => false,
        };
        return if needed { Err(bad("`Host` must be there")) } else { Ok(()) };
    };
    if hosts.next().is_some() {
        return Err(bad("`Host` must be there once"));
    }
    let Some(host) = host_and_port(host.as_bytes()) else {
        return Err(bad("`Host` must be a host name, with or without a port"));
    };
    match target.and_then(|target| host_and_port(target.as_bytes())) {
        Some(target) if !same(target, host) => Err(bad("`Host` must be the host of the target")),
        _ => Ok(()),
    }
}

/// A name of the DNS or an address, and perhaps a port. RFC 3986 allows more in a host (a user,
/// commas, escapes), which has no meaning for `http` and a different one for every reader.
fn host_and_port(authority: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let end = match authority {
        [b'[', rest @ ..] => rest.iter().position(|byte| *byte == b']')? + 2,
        _ => authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let valid = match host {
        [b'[', address @ .., b']'] => std::str::from_utf8(address).ok()?.parse::<Ipv6Addr>().is_ok(),
        _ => !host.is_empty() && host.iter().all(named),
    };
    let port = match port {
        [] => None,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            Some(std::str::from_utf8(digits).ok()?.parse().ok()?)
        }
        _ => return None,
    };
    valid.then_some((host, port))
}

/// Names compare without case, and the port of `http` may be left out.
fn same((a, a_port): (&[u8], Option<u16>), (b, b_port): (&[u8], Option<u16>)) -> bool {
    a.eq_ignore_ascii_case(b) && a_port.unwrap_or(80) == b_port.unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, uri: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // A body of which nothing has been read, so that it is looked at as one.
        let body = crate::Body::from("body");
        check(&request.body(body).unwrap()).err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn there_is_one_host_and_it_is_valid() {
        let http1 = |headers: &[(&str, &str)]| checked(Version::HTTP_11, "/", headers);
        for host in ["a", "a:80", "A.example:8080", "127.0.0.1", "[::1]", "[::1]:80", "a_b", "xn--a.example"]
        {
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
