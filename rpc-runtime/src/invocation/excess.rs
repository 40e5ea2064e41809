//! Calls beyond a limit that is only warned of.

use std::sync::atomic::{AtomicU8, Ordering};

use super::{
    Frame, State,
    budget::{DEPTH, INVOCATIONS, SUBREQUESTS},
};
use crate::{
    client::Binding,
    error::{Error, Exceeded, Kind},
    limits::Limits,
    service::MethodInfo,
};

/// What a pipeline knows of its excess, kept where its first call keeps what few calls need.
#[derive(Debug, Default)]
pub(super) struct Excess {
    /// Of a call that came over a boundary: it has no client here whose limits it could have.
    pub(super) limits: Option<Limits>,
    /// Whether the depth that is left was given by somebody who enforces it.
    pub(super) keeps_depth: bool,
    /// The limits that were warned of, a bit each.
    warned: AtomicU8,
}

impl Clone for Excess {
    fn clone(&self) -> Self {
        let warned = AtomicU8::new(self.warned.load(Ordering::Relaxed));
        Self { limits: self.limits, keeps_depth: self.keeps_depth, warned }
    }
}

impl Excess {
    fn is_first(&self, limit: &str) -> bool {
        let bit = match limit {
            DEPTH => 1,
            INVOCATIONS => 2,
            SUBREQUESTS => 4,
            _ => 8,
        };
        self.warned.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

impl Frame<'_> {
    /// A call of this invocation is beyond a limit: refused, or only warned of.
    #[cold]
    pub(super) fn exceed(
        &self,
        exceeded: Exceeded,
        method: &'static MethodInfo,
        binding: &Binding,
    ) -> Result<(), Error> {
        let error = |exceeded| Error::of_call(Kind::Limit(exceeded), Some(self), method, binding);
        if !self.warns() {
            return Err(error(exceeded));
        }
        self.warn_once(exceeded, error);
        Ok(())
    }

    /// The same of a request to a server outside.
    #[cfg(feature = "fetch")]
    #[cold]
    pub(super) fn exceed_outside(&self, exceeded: Exceeded) -> Result<(), Error> {
        if !self.warns() {
            return Err(Error::new(Kind::Limit(exceeded)));
        }
        self.warn_of(exceeded);
        Ok(())
    }

    /// A value of this invocation is too long.
    #[cold]
    pub(crate) fn warn_of(&self, exceeded: Exceeded) {
        self.warn_once(exceeded, |exceeded| Error::new(Kind::Limit(exceeded)));
    }

    fn warn_once(&self, exceeded: Exceeded, error: impl FnOnce(Exceeded) -> Error) {
        if !self.first().root.with_excess(|excess| excess.is_first(&exceeded.limit)) {
            return;
        }
        let Exceeded { limit, value, used } = exceeded.clone();
        tracing::warn!(
            target: "rpc_runtime",
            %limit,
            value,
            used,
            chain = %error(exceeded).chain(),
            "a limit is passed, and the call goes on, because `limits.mode` is `warn`",
        );
    }

    /// Whether limits are only warned of.
    pub(crate) fn warns(&self) -> bool {
        self.first().root.warns()
    }

    /// Whether the depth that is left holds even so.
    pub(super) fn keeps_depth(&self) -> bool {
        self.first().root.with_excess(|excess| excess.keeps_depth)
    }

    /// The least that this call may go to of a limit with this name.
    pub(crate) fn limit(&self, name: &str) -> Option<u64> {
        if self.warns() {
            // Who has refused had another one.
            return None;
        }
        let counting = std::iter::successors(Some(self), |frame| frame.around());
        let limit = |limits: Limits| match name {
            DEPTH => Some(limits.depth),
            INVOCATIONS => Some(limits.invocations),
            SUBREQUESTS => Some(limits.subrequests),
            _ => None,
        };
        counting.filter_map(|frame| limit(frame.root.limits())).min().map(u64::from)
    }

    /// The outermost invocation that counts: its limits are those of the pipeline.
    fn first(&self) -> &Self {
        let mut frame = self;
        while let Some(outer) = frame.around() {
            frame = outer;
        }
        frame
    }
}

impl State<'_> {
    /// How many bytes the arguments of this call may have over a boundary.
    pub(crate) fn value_bytes(&self) -> u32 {
        self.limits().value_bytes
    }

    fn warns(&self) -> bool {
        match self.shared_budget() {
            Some(shared) => shared.around().last().unwrap_or(shared).limits().warns(),
            None => self.limits().warns(),
        }
    }

    fn with_excess<R>(&self, look: impl FnOnce(&Excess) -> R) -> R {
        match self.shared_budget() {
            Some(shared) => look(&shared.around().last().unwrap_or(shared).excess),
            None => look(&self.make_extras().excess),
        }
    }
}
