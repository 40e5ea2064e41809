//! How far a pipeline may go.

/// The limits of a pipeline: the tree of calls that one top-level call or request started.
///
/// The same in development and in production. The error of a call beyond a limit is
/// [`is_limit`](crate::Error::is_limit), names the limit, its value and the chain of Workers that led there.
///
/// ```
/// use rpc_runtime::{CallOptions, Limits};
///
/// let patient = CallOptions::new().limits(Limits::new().invocations(1_000_000));
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) depth: u32,
    pub(crate) invocations: u32,
    pub(crate) subrequests: u32,
    pub(crate) connections: u32,
    pub(crate) value_bytes: u32,
    pub(crate) mode: LimitMode,
}

/// What becomes of a call beyond a limit of its pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// It fails with [`is_limit`](crate::Error::is_limit).
    #[default]
    Enforce,
    /// It goes on. The log warns of it, once for each limit of each pipeline: which limit, its value, how much it is
    /// with this call, and the chain of Workers. For a system whose limits are yet to be found.
    ///
    /// A depth of 128, 2³¹ − 1 calls and 32 MiB per value hold all the same, and so does the depth that the caller of a
    /// call that came over a boundary has left; what that caller has left of the counts is not told to those that are
    /// called in turn over another. What [remains](crate::Remaining) of a limit that was passed is counted
    /// from there.
    Warn,
}

/// Deeper chains need more stack than threads have: about 3 KiB a level in a debug build, before the handlers'
/// own frames, of which a host thread has 8 MiB.
pub(crate) const DEPTH_MAX: u32 = 128;

/// One bit less than a word's half: see the counters of an invocation.
pub(crate) const COUNT_MAX: u32 = i32::MAX as u32;

/// The longest value that is encoded, in bytes: what the model allows.
pub(crate) const VALUE_BYTES_MAX: u32 = 32 << 20;

impl Limits {
    /// Depth 32, 1000 invocations, 1000 subrequests, 6 connections, 32 MiB per value, all of them enforced.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            depth: 32,
            invocations: 1000,
            subrequests: 1000,
            connections: 6,
            value_bytes: VALUE_BYTES_MAX,
            mode: LimitMode::Enforce,
        }
    }

    /// As [`new`](Self::new), but for 32 invocations: what a request to a Cloudflare Worker may use.
    #[must_use]
    pub const fn cloudflare() -> Self {
        Self::new().invocations(32)
    }

    /// How many Workers deep a chain of calls may be, the first one counted. Default 32; 1 to 128, other values
    /// count as the nearest of these.
    #[must_use]
    pub const fn depth(self, depth: u32) -> Self {
        let depth = if depth == 0 {
            1
        } else if depth > DEPTH_MAX {
            DEPTH_MAX
        } else {
            depth
        };
        Self { depth, ..self }
    }

    /// How many calls and requests may be delivered in all, the first one counted. Default 1000; at most
    /// 2³¹ − 1.
    #[must_use]
    pub const fn invocations(self, invocations: u32) -> Self {
        let invocations = if invocations == 0 {
            1
        } else if invocations > COUNT_MAX {
            COUNT_MAX
        } else {
            invocations
        };
        Self { invocations, ..self }
    }

    /// How many calls may be made through bindings of a configuration, and requests to servers outside, redirects
    /// counted. Default 1000; at most 2³¹ − 1. Clients that the program made itself do not count.
    #[must_use]
    pub const fn subrequests(self, subrequests: u32) -> Self {
        let subrequests = if subrequests > COUNT_MAX { COUNT_MAX } else { subrequests };
        Self { subrequests, ..self }
    }

    /// How many requests to servers outside may wait for the head of an answer at a time; further ones queue. Default
    /// 6, as in the model; at least 1. It holds for a whole pipeline, as the call that begins it has it: lower limits
    /// of a call inside of it change nothing about that.
    #[must_use]
    pub const fn connections(self, connections: u32) -> Self {
        let connections = if connections == 0 { 1 } else { connections };
        Self { connections, ..self }
    }

    /// How long the arguments of a call over a boundary may be, and its answer, in bytes as they are encoded. Default
    /// 32 MiB, which is also the most. It holds for the head of a request or a response, too, but not for its body, which
    /// streams.
    ///
    /// The caller's limit holds for the arguments, the callee's for the answer. In process nothing is encoded, and this
    /// limit does not apply.
    #[must_use]
    pub const fn value_bytes(self, bytes: u32) -> Self {
        let value_bytes = if bytes > VALUE_BYTES_MAX { VALUE_BYTES_MAX } else { bytes };
        Self { value_bytes, ..self }
    }

    /// What becomes of a call beyond a limit. Default [`LimitMode::Enforce`].
    ///
    /// A pipeline has one mode, which its first call gives it: inside of it, lower limits of a call follow that one.
    #[must_use]
    pub const fn mode(self, mode: LimitMode) -> Self {
        Self { mode, ..self }
    }

    pub(crate) const fn warns(&self) -> bool {
        matches!(self.mode, LimitMode::Warn)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
