//! The grammar of HTTP/1 requests (RFC 9112) without anything that may be passed over in leniency; a second reader, so
//! that two must make the same mistake.

use bytes::Bytes;
use http::{Version, request::Parts};

/// One request, as it is written or as it was handed to a handler.
#[derive(Debug)]
pub(super) struct Message {
    method: String,
    target: String,
    is_1_1: bool,
    /// Names in lower case, sorted.
    headers: Vec<(String, Vec<u8>)>,
    /// `None` if it cannot be read to its end.
    body: Option<Vec<u8>>,
}

impl Message {
    pub(super) fn of(head: &Parts, body: Option<Bytes>) -> Self {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        let mut headers: Vec<_> = head.headers.iter().map(header).collect();
        headers.sort_unstable();
        Self {
            method: head.method.as_str().to_owned(),
            target: head.uri.to_string(),
            is_1_1: head.version == Version::HTTP_11,
            headers,
            body: body.map(Vec::from),
        }
    }

    /// Whether `seen` is this request, as far as its body could be read.
    pub(super) fn agrees_with(&self, seen: &Self) -> bool {
        let body = seen.body.is_none() || self.body == seen.body;
        let targets = if self.target.starts_with(['/', '*']) {
            self.target == seen.target
        } else {
            // The path of a URL may be left out, and its scheme and host are compared without case.
            with_path(&self.target).eq_ignore_ascii_case(&with_path(&seen.target))
        };
        body && targets
            && (&self.method, self.is_1_1, &self.passed_on()) == (&seen.method, seen.is_1_1, &seen.headers)
    }

    /// The headers without what speaks of the connection (RFC 9110, 7.6.1), but for the question for another protocol.
    fn passed_on(&self) -> Vec<(String, Vec<u8>)> {
        const OF_A_CONNECTION: [&str; 9] = [
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authentication-info",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "transfer-encoding",
            "upgrade",
        ];
        let named: Vec<String> = self
            .values("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
            .filter(|name| name != "host" && name != "content-length")
            .collect();
        let is_passed = |name: &String| !OF_A_CONNECTION.contains(&name.as_str()) && !named.contains(name);
        let mut passed: Vec<_> = self.headers.iter().filter(|(name, _)| is_passed(name)).cloned().collect();
        let upgrades: Vec<_> = self.headers.iter().filter(|(name, _)| name == "upgrade").cloned().collect();
        if !upgrades.is_empty() {
            passed.push(("connection".to_owned(), b"upgrade".to_vec()));
            passed.extend(upgrades);
        }
        passed.sort_unstable();
        passed
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| &**value)
    }
}

fn with_path(target: &str) -> String {
    let Some((scheme, rest)) = target.split_once("://") else { return target.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{authority}{slash}{path}")
}

/// The requests that stand one behind the other, up to the first that is none.
pub(super) fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(message) = message(&mut bytes) {
        let is_complete = message.body.is_some();
        messages.push(message);
        if !is_complete {
            break;
        }
    }
    messages
}

fn message(bytes: &mut &[u8]) -> Option<Message> {
    // RFC 9112, 2.2: empty lines before a request line are passed over.
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        *bytes = rest;
    }
    let (method, target, is_1_1) = request_line(line(bytes)?)?;
    let mut headers = Vec::new();
    loop {
        match line(bytes)? {
            [] => break,
            field => headers.push(header(field)?),
        }
    }
    headers.sort_unstable();
    let mut message = Message { method, target, is_1_1, headers, body: None };
    let hosts: Vec<_> = message.values("host").collect();
    let hosts_are_right = match hosts[..] {
        [] => !is_1_1,
        [host] => !host.is_empty() && host.iter().all(|byte| is_of_host(*byte)),
        _ => false,
    };
    if !hosts_are_right {
        return None;
    }
    let lengths: Vec<_> = message.values("content-length").collect();
    let codings: Vec<_> = message.values("transfer-encoding").collect();
    let body = match (&lengths[..], &codings[..]) {
        ([], []) => Some(Vec::new()),
        ([length], []) => {
            let length = digits(length, 10)?;
            take(bytes, length).map(<[u8]>::to_vec)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && is_1_1 => chunks(bytes),
        _ => return None,
    };
    message.body = body;
    Some(message)
}

/// A line up to its CR LF, with neither of them in it.
fn line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes[..end].strip_suffix(b"\r")?;
    *bytes = &bytes[end + 1..];
    (!line.contains(&b'\r')).then_some(line)
}

/// RFC 9112, 3: three words, one space between each.
fn request_line(line: &[u8]) -> Option<(String, String, bool)> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return None,
    };
    let is_right = is_token(method) && !target.is_empty() && target.iter().all(|byte| is_of_target(*byte));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    (is_right && words.next().is_none()).then_some(())?;
    Some((text(method)?, text(target)?, is_1_1))
}

/// RFC 9112, 5: no space before the colon, and whatever stands around the value is not of it.
fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    let value = &value[start..end];
    let visible = |byte: &u8| blank(byte) || (0x21..=0x7e).contains(byte) || *byte >= 0x80;
    (is_token(name) && value.iter().all(visible)).then_some(())?;
    Some((String::from_utf8(name.to_ascii_lowercase()).ok()?, value.to_vec()))
}

/// RFC 9112, 7.1. `None` if they do not add up, or end early.
fn chunks(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(bytes)?.split(|byte| *byte == b';').next()?;
        match digits(size.trim_ascii_end(), 16)? {
            0 => break,
            size => body.extend_from_slice(take(bytes, size)?),
        }
        if !line(bytes)?.is_empty() {
            return None;
        }
    }
    while !line(bytes)?.is_empty() {}
    Some(body)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

fn digits(text: &[u8], radix: u32) -> Option<u64> {
    let all = !text.is_empty() && text.iter().all(|byte| char::from(*byte).is_digit(radix));
    all.then(|| u64::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok())?
}

/// RFC 9110, 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(of_token)
}

/// Whatever is visible but `#`, which begins what is never sent. RFC 3986, 2, has fewer; browsers and curl send the
/// others as they are, and no two readers disagree about them.
fn is_of_target(byte: u8) -> bool {
    (byte.is_ascii_graphic() && byte != b'#') || byte >= 0x80
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}
