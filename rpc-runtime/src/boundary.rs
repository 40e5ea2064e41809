//! What a service needs to cross a boundary, as its expansion states it.
//!
//! Everything here is generic over the boundary, of which there is one: so a program whose Workers share a process
//! compiles none of what its services would need outside of it.

use std::future::Future;

use crate::{
    codec::Lend,
    error::Error,
    fetch::{GivenRequest, Response},
    raw::{Slot, Started, Threaded},
    service::{Method, Service, SlotOf, StartedOf, Target},
    session::{Handled, Port},
};

/// A service that can be called from elsewhere, and elsewhere.
pub trait Boundary: Service<Flavour = Threaded, Dyn: Send + Sync> {
    /// The twin that sends its calls.
    fn proxy<F: Far>(far: F) -> Box<Self::Dyn>;

    /// Serves a call that has come in, by making it.
    fn serve<C: Incoming>(self, call: C) -> C::Handler;
}

/// What a `&X` is read into.
pub type OwnedOf<X> = <X as Lend>::Owned;

/// Where the calls of a twin go that has nothing in this process.
pub trait Far: Send + Sync + 'static {
    /// The way there.
    fn port(&self) -> &Port;
}

impl Far for Port {
    fn port(&self) -> &Port {
        self
    }
}

/// The twin of what is elsewhere: its methods are those that the twin's trait provides.
#[derive(Debug)]
pub struct Proxy<F>(pub F);

impl<F: Far> Target<Threaded> for Proxy<F> {
    fn __fetch<'k>(
        &'k self,
        request: GivenRequest<'_, '_, Threaded>,
        slot: Slot<'k, Result<Response, Error>, Threaded>,
    ) -> Started<'k, Result<Response, Error>> {
        slot.run(Some(self.0.port()), |port| port.fetch(request.take()))
    }

    fn __port(&self) -> Option<&Port> {
        Some(self.0.port())
    }
}

impl<'k, T> Slot<'k, T, Threaded> {
    /// Sends a call instead of making it, and waits for its answer in the slot.
    pub fn send<M: Method<Output = T>>(
        self,
        port: Option<&'k Port>,
        _: M,
        args: M::Args<'k>,
    ) -> StartedOf<'k, M>
    where
        M::Service: Service<Flavour = Threaded>,
    {
        let slot: SlotOf<'k, M> = self;
        slot.run(port, move |port| port.send::<M>(args))
    }
}

/// A call that has come in.
pub trait Incoming: Sized {
    /// What is being done about it.
    type Handler;

    /// What its handler has of it.
    type Taken: Taken;

    /// What runs its handler.
    type Begun: Begun<Handler = Self::Handler>;

    /// Whether it is a call of this method.
    fn __is<M: Method>(&self, method: M) -> bool;

    /// Begins to serve it. Two values and no closure, which would be compiled for each method.
    fn __begin(self) -> (Self::Taken, Self::Begun);

    /// Refuses it: there is no such method here.
    fn __unknown(self) -> Self::Handler;
}

/// A call whose handler is about to run.
pub trait Begun {
    /// What is being done about it.
    type Handler;

    /// Serves it with this future.
    fn __run<F>(self, future: F) -> Self::Handler
    where
        F: Future<Output = Result<Handled, Handled>> + Send + 'static;
}

/// A call that is being served.
pub trait Taken: Send + Sync + 'static {
    /// Its arguments.
    ///
    /// # Errors
    ///
    /// The refusal, if they cannot be read.
    fn __read<M: Method>(&self, method: M) -> Result<M::Read<'_>, Handled>;

    /// The answer as bytes.
    ///
    /// # Errors
    ///
    /// The failure, if the call failed on its way to the handler, or the answer cannot be written.
    fn __answer<M: Method>(&self, method: M, output: M::Output) -> Result<Handled, Handled>;
}
