//! [`EdgeOptions`]: the limits of a served socket.

use std::time::Duration;

/// Limits and times of a served socket.
///
/// The defaults are for a socket that anybody may connect to. Times are measured on tokio's clock
/// and can be made short for tests; one of more than a year is a year.
///
/// ```
/// use std::time::Duration;
///
/// use rpc_runtime::edge::EdgeOptions;
///
/// let mut options = EdgeOptions::default();
/// options.drain = Duration::from_secs(5);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EdgeOptions {
    /// Longest head of an HTTP/1 request, request line included, in bytes; also the longest
    /// trailers. A longer one is answered with 431, a request target of more than 65,534 bytes
    /// with 414.
    ///
    /// Default 128 KiB: twice the longest target, so that one that is too long is told apart from
    /// headers that are. At least 8 KiB (hyper's smallest buffer). Headers are at most 100.
    pub head_bytes_max: usize,
    /// Longest list of headers of an HTTP/2 request, in bytes as RFC 9113, 6.5.2 counts them.
    ///
    /// Default 64 KiB. A longer one is answered with 431.
    pub header_list_bytes_max: u32,
    /// Time from the first byte of a head (of a connection: from its acceptance) to its end.
    ///
    /// Default 10 s. The connection is closed without an answer.
    pub head_timeout: Duration,
    /// Time a connection may be open with no request on it; and the time that a client has to end
    /// its half of an [upgraded](crate::Upgraded) connection when the Worker has ended the other.
    ///
    /// Default 60 s. Over HTTP/2 it is closed after one to two times as long.
    pub idle_timeout: Duration,
    /// Least pace at which the body of a request must arrive, and at which a client must take what
    /// is written to it, in bytes a second.
    ///
    /// Default 1 KiB/s, as an average over [`body_window`](Self::body_window). Only time in which
    /// the handler waits for the body counts, or an answer for its client: a slow handler is not
    /// its client's fault.
    pub body_pace_min: u64,
    /// The time that pace is measured over.
    ///
    /// Default 30 s. A body that falls behind gives its reader an error, and the client 408. The
    /// connection of a client that takes too little is closed.
    pub body_window: Duration,
    /// Longest rest of an unread body that is read and dropped to keep an HTTP/1 connection, in
    /// bytes. A connection whose request has more is closed after the answer.
    ///
    /// Default 64 KiB.
    pub unread_bytes_max: usize,
    /// Longest time for reading such a rest, and for a client to take the answer to a request it
    /// has not finished sending.
    ///
    /// Default 2 s.
    pub linger: Duration,
    /// Time a client may take nothing of what is written to it.
    ///
    /// Default 30 s. The connection is closed.
    pub write_timeout: Duration,
    /// Most connections at a time; further ones wait in the listener's queue. A host divides them
    /// between its threads, each of which takes at least one.
    ///
    /// Default 10,000: half of the 20,000 descriptors a server is usually given.
    pub connections_max: usize,
    /// Most requests at a time on an HTTP/2 connection.
    ///
    /// Default 100, the least that RFC 9113, 6.5.2 recommends.
    pub streams_max: u32,
    /// Most HTTP/2 requests that were reset by the client before they were taken up; one more
    /// ends the connection (CVE-2023-44487, "rapid reset").
    ///
    /// Default 20, as in hyper.
    pub resets_max: usize,
    /// How often a ping asks whether the peer of an HTTP/2 connection is there, and how long it
    /// has to answer.
    ///
    /// Default 20 s, as in gRPC.
    pub ping: Duration,
    /// Time that is left for running requests when the server is told to stop. Those that have no
    /// answer then get 503; what is open afterwards is cut.
    ///
    /// Default 30 s.
    pub drain: Duration,
    /// Time after which an HTTP/1 connection on which no request runs is closed when the server
    /// is told to stop. Until then a request that was on its way is still answered.
    ///
    /// Default 250 ms.
    pub drain_idle: Duration,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self {
            head_bytes_max: 128 << 10,
            header_list_bytes_max: 64 << 10,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_pace_min: 1 << 10,
            body_window: Duration::from_secs(30),
            unread_bytes_max: 64 << 10,
            linger: Duration::from_secs(2),
            write_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            streams_max: 100,
            resets_max: 20,
            ping: Duration::from_secs(20),
            drain: Duration::from_secs(30),
            drain_idle: Duration::from_millis(250),
        }
    }
}

impl EdgeOptions {
    /// With times that a clock can reach: more than a year is a year.
    pub(crate) fn bounded(self) -> Self {
        const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self {
            head_timeout: self.head_timeout.min(LONGEST),
            idle_timeout: self.idle_timeout.min(LONGEST),
            body_window: self.body_window.min(LONGEST),
            linger: self.linger.min(LONGEST),
            write_timeout: self.write_timeout.min(LONGEST),
            ping: self.ping.min(LONGEST),
            drain: self.drain.min(LONGEST),
            drain_idle: self.drain_idle.min(LONGEST),
            ..self
        }
    }

    /// hyper panics below its smallest buffer; a smaller limit is its smallest.
    pub(super) fn buffer_bytes_max(&self) -> usize {
        self.head_bytes_max.max(8 << 10)
    }
}
