//! An implementation in this process, behind the twin of its service.

use std::{fmt, sync::Arc};

use crate::{
    error::{Error, Kind},
    fetch::{GivenRequest, Response},
    instances::Instances,
    raw::{Flavour, Slot, Started},
    service::Target,
};

/// An implementation in this process. The expansion implements the twin of a service for it.
pub struct Local<W, L: Flavour> {
    hold: Hold<W>,
    fetch: Option<FetchFn<W, L>>,
}

/// Where the implementation is kept.
pub(crate) enum Hold<W> {
    /// With the client.
    Owned(W),
    /// With the caller.
    Shared(Arc<W>),
    /// With a host, which makes all of its cells before the first of its Workers: bindings may form a cycle.
    Cell(Arc<Instances<W>>),
}

/// How a request reaches the `fetch` of a Worker.
pub(crate) type FetchFn<W, L> = for<'k> fn(
    &'k W,
    GivenRequest<'_, '_, L>,
    Slot<'k, Result<Response, Error>, L>,
) -> Started<'k, Result<Response, Error>>;

impl<W, L: Flavour> Local<W, L> {
    pub(crate) fn new(hold: Hold<W>, fetch: Option<FetchFn<W, L>>) -> Self {
        Self { hold, fetch }
    }

    pub(crate) fn or_fetch(self, fetch: FetchFn<W, L>) -> Self {
        Self { fetch: self.fetch.or(Some(fetch)), ..self }
    }

    /// The implementation, unless its host has not made it yet.
    #[inline]
    pub fn worker(&self) -> Option<&W> {
        match &self.hold {
            Hold::Owned(worker) => Some(worker),
            hold => hold.elsewhere(),
        }
    }
}

impl<W> Hold<W> {
    fn elsewhere(&self) -> Option<&W> {
        match self {
            Self::Cell(cell) => cell.get(),
            Self::Owned(worker) => Some(worker),
            Self::Shared(worker) => Some(worker),
        }
    }
}

impl<W, L: Flavour> Target<L> for Local<W, L> {
    fn __fetch<'k>(
        &'k self,
        request: GivenRequest<'_, '_, L>,
        slot: Slot<'k, Result<Response, Error>, L>,
    ) -> Started<'k, Result<Response, Error>> {
        match (self.worker(), self.fetch) {
            (Some(worker), Some(fetch)) => fetch(worker, request, slot),
            (Some(_), None) => slot.refuse(Kind::NoFetch),
            (None, _) => slot.not_started(),
        }
    }
}

impl<W, L: Flavour> fmt::Debug for Local<W, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}
