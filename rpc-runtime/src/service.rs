//! What an expansion of `#[service]` states about a service, and the traits through which the runtime acts
//! on it.

mod uncoded;

use std::{fmt, future::Future, time::Duration};

use self::uncoded::Uncoded;
use crate::{
    client::Inner,
    codec::Codec,
    error::{CauseIn, Error},
    fetch::{GivenRequest, Response},
    local::Local,
    raw::{Flavour, Slot, Started},
    session::{Port, Served},
    shape::{Child, Node},
};

/// A service, stated by its client: `AuthClient` for a trait `Auth`.
///
/// Implemented by the expansion of `#[service]` alone. A generic caller may ask for it, as a part of
/// [`Client`](crate::Client), beside the service, whose methods have other names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the client of a service",
    label = "expected a client, such as `AuthClient` for the service `Auth`",
    note = "`#[service]` on `trait Auth` makes `AuthClient`"
)]
pub trait Service: Sized + 'static {
    /// The object-safe twin of the trait.
    type Dyn: ?Sized + Target<Self::Flavour> + 'static;

    /// Whether the service may leave its thread.
    type Flavour: Flavour;

    /// What the service is called, and its methods.
    const INFO: &'static ServiceInfo;

    /// The client around `inner`.
    fn __from_inner(inner: Inner<Self>) -> Self;

    /// What the client is made of.
    fn __inner(&self) -> &Inner<Self>;
}

/// One method of a service.
///
/// Implemented by the expansion of `#[service]` alone.
pub trait Method: 'static {
    /// The client of the service that the method belongs to.
    type Service: Service;

    /// The arguments, every elided lifetime named `'a`.
    type Args<'a>;

    /// What the arguments are read into, from bytes that live for `'a`. Nothing for a local service.
    type Read<'a>;

    /// What the method returns: a `Result`.
    type Output: Reply;

    /// The name, identity and attributes of the method.
    const INFO: &'static MethodInfo;

    /// Finds the runtime's error inside an answer, if it holds one; see [`Cause`](crate::Cause).
    const CAUSE: CauseOf<Self>;

    /// How the arguments and the answer become bytes, and values again. A local service does not say.
    fn codec<'a>() -> impl CodecOf<'a, Self>
    where
        Self: Sized,
    {
        Uncoded::<Self>::default()
    }
}

/// The codec of a method.
pub trait CodecOf<'a, M: Method>:
    Codec<'a, Args = M::Args<'a>, Read = M::Read<'a>, Output = M::Output>
{
}

impl<'a, M, C> CodecOf<'a, M> for C
where
    M: Method,
    C: Codec<'a, Args = M::Args<'a>, Read = M::Read<'a>, Output = M::Output>,
{
}

/// What a method is called with.
pub type ArgsOf<'a, M> = <M as Method>::Args<'a>;

/// What a method returns.
pub type OutputOf<M> = <M as Method>::Output;

/// What finds the runtime's error in what a method returns.
pub type CauseOf<M> = CauseIn<<M as Method>::Output>;

/// A call of the method `M`, which may be polled on any thread and therefore holds arguments that may go there.
///
/// This is a `Send` future, said so that rustc does not list all that a call is made of.
#[diagnostic::on_unimplemented(
    message = "an argument of this method is not `Send`",
    label = "a call may be made from any thread, and takes its arguments there",
    note = "write `Arc` for `Rc`, and lend nothing that changes; or write `#[service(local)]` if the service stays in \
            its thread"
)]
pub trait Calling<M: Method>: Future<Output = M::Output> + Send {}

#[diagnostic::do_not_recommend]
impl<M: Method, C: Future<Output = M::Output> + Send> Calling<M> for C {}

/// The slot that a method's handler is put into.
pub type SlotOf<'k, M> = Slot<'k, <M as Method>::Output, <<M as Method>::Service as Service>::Flavour>;

/// What came of a method's handler.
pub type StartedOf<'k, M> = Started<'k, <M as Method>::Output>;

/// A client whose service `W` implements.
#[diagnostic::on_unimplemented(
    message = "`{W}` does not implement the service of `{Self}`",
    label = "`{W}` does not implement this service"
)]
pub trait Serves<W: 'static>: Service {
    /// The twin that calls the implementation in `local`.
    fn twin(local: Local<W, Self::Flavour>) -> Box<Self::Dyn>;

    /// What the client calls, for callers elsewhere; `None` if the service does not leave its thread.
    fn served(self) -> Option<Served> {
        None
    }
}

/// What every twin can do beside the methods of its service, whose names never begin with `__`.
pub trait Target<L: Flavour> {
    /// Hands a request to the Worker's `fetch`.
    fn __fetch<'k>(
        &'k self,
        request: GivenRequest<'_, '_, L>,
        slot: Slot<'k, Result<Response, Error>, L>,
    ) -> Started<'k, Result<Response, Error>>;

    /// The way to the implementation, if it is elsewhere.
    fn __port(&self) -> Option<&Port> {
        None
    }
}

/// What a service's method returns: a `Result` whose error can be made from [`Error`](crate::Error), under
/// any name.
#[diagnostic::on_unimplemented(
    message = "a service method returns a `Result`, since a call can always fail",
    label = "expected `Result<{Self}, E>` where `E: From<rpc_runtime::Error>`",
    note = "write `rpc_runtime::Result<{Self}>` if the method has no error of its own"
)]
pub trait Reply: Sized {
    /// The value of a call that succeeded.
    type Value;

    /// The service's own error.
    type Failure;

    /// A call that failed on the way.
    fn failed(error: Error) -> Self;

    /// Whether there is a value.
    fn is_ok(&self) -> bool;
}

impl<T, E: FromError> Reply for Result<T, E> {
    type Value = T;
    type Failure = E;

    #[inline]
    fn failed(error: Error) -> Self {
        Err(E::from_error(error))
    }

    #[inline]
    fn is_ok(&self) -> bool {
        self.is_ok()
    }
}

/// What a call does with answers of type `T`, as functions: so the code that calls share asks no bound of `T`,
/// and a method that returns something else is told so once, where it says so.
pub struct Answers<T> {
    /// A call that failed on the way.
    pub(crate) failed: fn(Error) -> T,
    /// Whether there is a value.
    pub(crate) is_ok: fn(&T) -> bool,
    /// The runtime's error in an answer.
    pub(crate) cause: CauseIn<T>,
    /// The name of the service's own error.
    pub(crate) failure: fn() -> &'static str,
}

impl<T> Answers<T> {
    pub(crate) fn of(cause: CauseIn<T>) -> Self
    where
        T: Reply,
    {
        Self { failed: T::failed, is_ok: T::is_ok, cause, failure: std::any::type_name::<T::Failure> }
    }
}

impl<T> Clone for Answers<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Answers<T> {}

impl<T> fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

/// An error type that [`Error`](crate::Error) converts into: any `E: From<rpc_runtime::Error>`.
#[diagnostic::on_unimplemented(
    message = "the error of a service method must be made from `rpc_runtime::Error`",
    label = "`{Self}` does not implement `From<rpc_runtime::Error>`",
    note = "add a variant such as `Rpc(#[from] rpc_runtime::Error)` with thiserror, or write the `impl From`"
)]
pub trait FromError {
    /// The conversion.
    fn from_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {
    #[inline]
    fn from_error(error: Error) -> Self {
        error.into()
    }
}

/// The name of a service and its methods, in declared order.
#[derive(Debug)]
pub struct ServiceInfo {
    /// The name on the wire: the trait's, or what `rename` says.
    pub name: &'static str,
    /// The methods that are compiled in.
    pub methods: &'static [&'static MethodInfo],
}

/// What is known of a method before it is called.
#[derive(Debug)]
pub struct MethodInfo {
    /// The name of the service.
    pub service: &'static str,
    /// The name on the wire: the method's, or what `rename` says.
    pub name: &'static str,
    /// The identity on the wire.
    pub id: MethodId,
    /// Whether a call may be run twice: `#[rpc(idempotent)]`.
    pub idempotent: bool,
    /// How long a call may take unless its caller says otherwise: `#[rpc(deadline = "..")]`.
    pub deadline: Option<Duration>,
    /// Whether a handler behind a boundary runs as a task of its own: `#[rpc(spawn)]`.
    pub spawn: bool,
    /// The arguments in order: the name in the contract, and the shape.
    pub args: &'static [(&'static str, Child)],
    /// The names of the arguments with `#[rpc(default)]`. Nothing reads them yet: two ends have the same arguments.
    pub defaults: &'static [&'static str],
    /// The shape of the result.
    pub output: Child,
}

impl MethodInfo {
    /// A method without attributes.
    #[must_use]
    pub const fn new(
        service: &'static str,
        name: &'static str,
        args: &'static [(&'static str, Child)],
        output: Child,
    ) -> Self {
        let id = MethodId::of(service, name);
        Self {
            service,
            name,
            id,
            idempotent: false,
            deadline: None,
            spawn: false,
            args,
            defaults: &[],
            output,
        }
    }

    /// With `#[rpc(default)]` on these arguments.
    #[must_use]
    pub const fn defaults(self, defaults: &'static [&'static str]) -> Self {
        Self { defaults, ..self }
    }

    /// With `#[rpc(idempotent)]`.
    #[must_use]
    pub const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    /// With `#[rpc(deadline = "..")]`.
    #[must_use]
    pub const fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// With `#[rpc(spawn)]`.
    #[must_use]
    pub const fn spawn(self) -> Self {
        Self { spawn: true, ..self }
    }
}

/// The shape of what never crosses a boundary.
pub const NOT_CARRIED: Child = || const { &Node::opaque("stays in its thread") };

/// The identity of a method on the wire: FNV-1a, 64 bits, of `Service/method` in UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId(u64);

impl MethodId {
    /// The identity of a method of a service.
    #[must_use]
    pub const fn of(service: &str, method: &str) -> Self {
        Self(fnv1a(fnv1a(fnv1a(FNV_OFFSET, service), "/"), method))
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

const fn fnv1a(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    hash
}

impl ServiceInfo {
    /// States a service; fails to compile when two of its methods have one identity.
    ///
    /// # Panics
    ///
    /// If two methods have the same name or, which is unlikely, the same hash. In a `const`, as the
    /// expansion uses it, that is a compile error.
    #[must_use]
    pub const fn new(name: &'static str, methods: &'static [&'static MethodInfo]) -> Self {
        let mut one = 0;
        while one < methods.len() {
            let mut other = one + 1;
            while other < methods.len() {
                assert!(
                    methods[one].id.0 != methods[other].id.0,
                    "two methods of this service have the same name on the wire: give one `#[rpc(rename = \"..\")]`"
                );
                other += 1;
            }
            one += 1;
        }
        Self { name, methods }
    }
}
