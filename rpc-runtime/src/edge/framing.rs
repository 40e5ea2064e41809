//! Where the messages of an HTTP/1 connection begin and end, read strictly.
//!
//! hyper 1.12 accepts four things that must be refused, and by the time it has parsed a head they
//! can no longer be seen: lines that end in a bare LF, `Content-Length` beside `Transfer-Encoding`
//! (it removes the first), a second `Content-Length` of equal value, and a `#` in the target (it
//! removes what follows). Two parties on a connection that disagree about any of the first three
//! disagree about where the next request starts (RFC 9112, 11.2), about the last one, what it asks
//! for. So the bytes are read here first, by a machine without I/O or clock that
//! knows lines, the two headers that frame a body, and chunks; everything else is left to hyper.

use memchr::memchr;

/// Follows the bytes of a connection from one message to the next.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
    /// Heads read to their end.
    heads: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Sized {
        left: u64,
    },
    ChunkSize,
    ChunkData {
        left: u64,
    },
    ChunkEnd,
    Trailers,
    Held,
}

/// What the head read so far says about the message.
#[derive(Debug, Default)]
struct Head {
    /// Whether its request line was read.
    begun: bool,
    length: Option<u64>,
    coding: Option<Coding>,
    upgrade: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// Something the request is refused for once its head is read.
    Other,
}

/// How far bytes may be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// So many of them.
    pub(super) pass: usize,
    /// And why not the rest.
    pub(super) stop: Option<Stop>,
}

/// Why bytes are not passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The head must be answered with 400.
    Refused(&'static str),
    /// The body cannot be read on; there is no telling where it ends.
    Broken(&'static str),
    /// What follows belongs to another protocol, if the request is answered so, or to nobody.
    Held,
}

/// Where the connection is between its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing of the next message has arrived.
    Between,
    /// A part of a head has arrived.
    Head,
    /// The head has, and not all of the body.
    Body,
    /// See [`Stop::Held`].
    Held,
}

impl Framing {
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Head if !self.head.begun && self.line.is_empty() => Phase::Between,
            State::Head => Phase::Head,
            State::Held => Phase::Held,
            _ => Phase::Body,
        }
    }

    /// How many heads were read to their end.
    pub(super) const fn heads(&self) -> usize {
        self.heads
    }

    /// Reads on. After a stop other than [`Stop::Held`] there is nothing more to read.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.state {
                State::Held => return Scanned { pass: at, stop: Some(Stop::Held) },
                State::Sized { left } | State::ChunkData { left } => {
                    let here = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                    at += here;
                    *left -= here as u64;
                    if *left == 0 {
                        self.data_ended();
                    }
                }
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    let Some(length) = memchr(b'\n', &bytes[at..]) else {
                        self.line.extend_from_slice(&bytes[at..]);
                        return self.waiting(bytes.len());
                    };
                    let end = at + length;
                    if let Err(stop) = self.read_line(&bytes[at..end]) {
                        return Scanned { pass: end, stop: Some(stop) };
                    }
                    at = end + 1;
                }
            }
        }
        Scanned { pass: at, stop: None }
    }

    /// A line goes on in the next read, unless it is longer than any line of a body may be. How
    /// long a head may be is hyper's to say: it answers 414 or 431 and stops reading.
    fn waiting(&self, pass: usize) -> Scanned {
        let too_long = !matches!(self.state, State::Head) && self.line.len() > BODY_LINE_BYTES_MAX;
        let stop = too_long.then_some(Stop::Broken("a line between chunks is too long"));
        Scanned { pass, stop }
    }

    /// A line without its LF.
    fn read_line(&mut self, rest: &[u8]) -> Result<(), Stop> {
        if self.line.is_empty() {
            return self.line(rest);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(rest);
        self.line(&line)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Stop> {
        let in_head = matches!(self.state, State::Head);
        let Some(line) = line.strip_suffix(b"\r") else {
            let why = "a line ends in LF without CR";
            return Err(if in_head { Stop::Refused(why) } else { Stop::Broken(why) });
        };
        match self.state {
            State::Head => self.head_line(line).map_err(Stop::Refused),
            State::ChunkSize => self.chunk_size(line).map_err(Stop::Broken),
            State::ChunkEnd if !line.is_empty() => Err(Stop::Broken("a chunk is longer than its size")),
            State::ChunkEnd => {
                self.state = State::ChunkSize;
                Ok(())
            }
            _ => {
                if line.is_empty() {
                    self.message_ended();
                }
                Ok(())
            }
        }
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.is_empty() {
            // Empty lines before a request line are passed over (RFC 9112, 2.2).
            return if self.head.begun { self.head_ended() } else { Ok(()) };
        }
        if !self.head.begun {
            self.head.begun = true;
            self.head.upgrade = line.starts_with(b"CONNECT ");
            // hyper would leave it out, and whoever passed the request on may have routed by it.
            return match memchr(b'#', line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()) {
                Some(_) => Err("the target has a fragment, which is never sent"),
                None => Ok(()),
            };
        }
        if matches!(line[0], b' ' | b'\t') {
            return Err("a header goes on in the next line");
        }
        let colon = memchr(b':', line).ok_or("a header has no colon")?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        // Most headers are told apart by their length.
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.head.upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value.trim_ascii())?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.transfer_encoding(value.trim_ascii())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.head.length.is_some() {
            return Err("Content-Length is there twice");
        }
        let length = decimal(value).ok_or("Content-Length is not a number")?;
        self.head.length = Some(length);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if self.head.coding.is_some() {
            return Err("Transfer-Encoding is there twice");
        }
        let chunked = value.eq_ignore_ascii_case(b"chunked");
        self.head.coding = Some(if chunked { Coding::Chunked } else { Coding::Other });
        Ok(())
    }

    fn head_ended(&mut self) -> Result<(), &'static str> {
        self.heads += 1;
        match (self.head.length, self.head.coding) {
            (Some(_), Some(_)) => return Err("Content-Length stands beside Transfer-Encoding"),
            (_, Some(Coding::Chunked)) => self.state = State::ChunkSize,
            (_, Some(Coding::Other)) => self.state = State::Held,
            (Some(left @ 1..), None) => self.state = State::Sized { left },
            (Some(0) | None, None) => self.message_ended(),
        }
        Ok(())
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let size = line.split(|byte| *byte == b';').next().unwrap_or(line).trim_ascii_end();
        let left = hexadecimal(size).ok_or("a chunk size is not a hexadecimal number")?;
        self.state = if left == 0 { State::Trailers } else { State::ChunkData { left } };
        Ok(())
    }

    fn data_ended(&mut self) {
        match self.state {
            State::ChunkData { .. } => self.state = State::ChunkEnd,
            _ => self.message_ended(),
        }
    }

    fn message_ended(&mut self) {
        self.state = if self.head.upgrade { State::Held } else { State::Head };
        self.head = Head::default();
    }
}

/// hyper allows 16 KiB of chunk extensions and as much of trailers.
const BODY_LINE_BYTES_MAX: usize = 16 << 10;

/// Digits and nothing else, no sign (RFC 9110, 8.6).
fn decimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// At most sixteen digits: leading zeros beyond them are nothing an honest client sends.
fn hexadecimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    let valid = digits.len() <= 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on, and the stop, however the bytes are cut.
    fn scan_all(bytes: &[u8]) -> (usize, Option<Stop>) {
        let whole = scan_in(bytes, bytes.len());
        for size in [1, 2, 3, 7] {
            assert_eq!(scan_in(bytes, size), whole, "in pieces of {size}: {}", bytes.escape_ascii());
        }
        whole
    }

    fn scan_in(bytes: &[u8], size: usize) -> (usize, Option<Stop>) {
        let mut framing = Framing::default();
        let mut passed = 0;
        for piece in bytes.chunks(size.max(1)) {
            let scanned = framing.scan(piece);
            passed += scanned.pass;
            if scanned.stop.is_some() {
                return (passed, scanned.stop);
            }
        }
        (passed, None)
    }

    fn assert_passes(text: &str) {
        assert_eq!(scan_all(text.as_bytes()), (text.len(), None), "{text:?}");
    }

    fn assert_refused(text: &str) {
        let (_, stop) = scan_all(text.as_bytes());
        assert!(matches!(stop, Some(Stop::Refused(_))), "{text:?}: {stop:?}");
    }

    fn assert_broken(text: &str) {
        let (_, stop) = scan_all(text.as_bytes());
        assert!(matches!(stop, Some(Stop::Broken(_))), "{text:?}: {stop:?}");
    }

    #[test]
    fn pipelined_messages_of_every_framing_pass() {
        assert_passes(
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\
             POST / HTTP/1.1\r\ncontent-LENGTH:\t3 \r\n\r\na\nbPOST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n\
             POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\n0A \r\n0123456789\r\n0\r\n\
             Checksum: 7\r\n\r\nGET / HTTP/1.1\r\n",
        );
    }

    #[test]
    fn a_bare_line_feed_is_refused_wherever_it_stands_in_a_head() {
        for text in [
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
        ] {
            assert_refused(text);
            let (passed, _) = scan_all(text.as_bytes());
            assert_eq!(text.as_bytes()[passed], b'\n', "{text:?}");
        }
    }

    #[test]
    fn headers_that_frame_a_body_in_two_ways_are_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity\r\nContent-Length: 1",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length: -1",
            "Content-Length: 0x1",
            "Content-Length:",
            "Content-Length: 18446744073709551616",
            "Host: a\r\n b",
            "Host",
        ] {
            assert_refused(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n"));
        }
    }

    #[test]
    fn a_fragment_is_refused_and_a_method_may_have_its_sign() {
        assert_refused("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_refused("GET # HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_passes("GET# /a HTTP/1.1\r\nReferer: /a#b\r\n\r\n");
    }

    #[test]
    fn chunks_that_do_not_add_up_are_broken() {
        for chunks in [
            "10000000000000000\r\n",
            "-1\r\n",
            "\r\n",
            ";x\r\n",
            "0x1\r\n",
            "g\r\n",
            "1 1\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "0\r\nX: y\n",
        ] {
            assert_broken(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        }
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;";
        let endless = format!("{head}{}", "x".repeat(2 * BODY_LINE_BYTES_MAX));
        let (_, stop) = scan_in(endless.as_bytes(), 1000);
        assert!(matches!(stop, Some(Stop::Broken(_))), "{stop:?}");
    }

    #[test]
    fn nothing_passes_after_an_upgrade_or_an_unknown_coding() {
        for head in [
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ] {
            let text = format!("{head}GET /second HTTP/1.1\r\n\r\n");
            assert_eq!(scan_all(text.as_bytes()), (head.len(), Some(Stop::Held)), "{text:?}");
        }
    }

    #[test]
    fn the_phase_follows_the_message() {
        let mut framing = Framing::default();
        let mut after = |text: &str| {
            assert_eq!(framing.scan(text.as_bytes()).stop, None);
            framing.phase()
        };
        assert_eq!(after(""), Phase::Between);
        assert_eq!(after("G"), Phase::Head);
        assert_eq!(after("ET / HTTP/1.1\r\n"), Phase::Head);
        assert_eq!(after("\r\n"), Phase::Between);
        assert_eq!(after("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"), Phase::Body);
        assert_eq!(after("b"), Phase::Between);
        assert_eq!(after("GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n"), Phase::Held);
    }
}
