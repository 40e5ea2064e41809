//! How a call reaches its method: by types, or by pointers.
//!
//! By types, a call is compiled for its method alone, and what a release build makes of it is one virtual call. By
//! pointers, all methods of one signature share what is compiled, which makes a debug build of a service of 100
//! methods less than half the work. So each has the one that it is judged by.

use std::task::{Context, Poll};

use super::Call;
use crate::{
    client::Inner,
    raw::{self, Flavour, Given, Rest, Start, Started},
    service::{Answers, Method, MethodInfo, Service},
};

/// What a call knows of its method.
pub trait Way<'s>: Copy {
    /// The client of the service.
    type Service: Service;
    /// The arguments, each with the lifetime it has at the caller.
    type Args;
    /// What the method returns.
    type Output;

    /// The description.
    #[doc(hidden)]
    fn method(&self) -> &'static MethodInfo;

    /// What to do with answers.
    #[doc(hidden)]
    fn answers(&self) -> Answers<Self::Output>;

    /// Calls the twin's method.
    #[doc(hidden)]
    fn start(
        &self,
        twin: &'s <Self::Service as Service>::Dyn,
        args: Given<'_, 's, Self::Args, HandlerOf<Self::Service, Self::Output>>,
        cx: &mut Context<'_>,
        rest: &mut Rest<'s, Self::Args, HandlerOf<Self::Service, Self::Output>>,
    ) -> Poll<Self::Output>;
}

/// A suspended handler of the service of `C` that answers with `T`.
pub(crate) type HandlerOf<C, T> = <<C as Service>::Flavour as Flavour>::Handler<T>;

/// The start of a method, with all its types.
type Starting<'k, 's, C, A, T> = Start<'k, 's, <C as Service>::Dyn, A, T, <C as Service>::Flavour>;

#[cfg(debug_assertions)]
pub use self::by_pointers::{ByPointers as Chosen, call};
#[cfg(not(debug_assertions))]
pub use self::by_types::{ByTypes as Chosen, call};

#[cfg(not(debug_assertions))]
mod by_types {
    use std::{fmt, marker::PhantomData};

    use super::*;

    /// The method `M` of a call with arguments `A`, which `F` starts.
    pub struct ByTypes<M, A, F>(F, PhantomData<fn(A) -> M>);

    /// Makes the call of a client's method. `start` calls the twin.
    #[inline]
    pub fn call<'s, M, A, F>(
        client: &'s Inner<M::Service>,
        _: M,
        args: A,
        start: F,
    ) -> Call<'s, ByTypes<M, A, F>>
    where
        M: Method,
        F: for<'k> Fn(Starting<'k, 's, M::Service, A, M::Output>) -> Started<'k, M::Output> + Copy,
    {
        Call::new(client, args, ByTypes(start, PhantomData))
    }

    impl<M, A, F: Copy> Clone for ByTypes<M, A, F> {
        #[inline]
        fn clone(&self) -> Self {
            *self
        }
    }

    impl<M, A, F: Copy> Copy for ByTypes<M, A, F> {}

    impl<M: Method, A, F> fmt::Debug for ByTypes<M, A, F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(M::INFO.name)
        }
    }

    impl<'s, M, A, F> Way<'s> for ByTypes<M, A, F>
    where
        M: Method,
        F: for<'k> Fn(Starting<'k, 's, M::Service, A, M::Output>) -> Started<'k, M::Output> + Copy,
    {
        type Service = M::Service;
        type Args = A;
        type Output = M::Output;

        #[inline]
        fn method(&self) -> &'static MethodInfo {
            M::INFO
        }

        #[inline]
        fn answers(&self) -> Answers<M::Output> {
            Answers::of(M::CAUSE)
        }

        #[inline]
        fn start(
            &self,
            twin: &'s <M::Service as Service>::Dyn,
            args: Given<'_, 's, A, HandlerOf<M::Service, M::Output>>,
            cx: &mut Context<'_>,
            rest: &mut Rest<'s, A, HandlerOf<M::Service, M::Output>>,
        ) -> Poll<M::Output> {
            raw::start(twin, args.take(), cx, rest, self.0)
        }
    }
}

#[cfg(debug_assertions)]
mod by_pointers {
    use std::fmt;

    use super::*;
    use crate::error::CauseIn;

    /// A method of the service of `C` that answers with `T`.
    pub struct ByPointers<'s, C: Service, A, T> {
        method: &'static MethodInfo,
        cause: CauseIn<T>,
        answers: fn(CauseIn<T>) -> Answers<T>,
        start: StartFn<'s, C, A, T>,
    }

    type StartFn<'s, C, A, T> = for<'k> fn(Starting<'k, 's, C, A, T>) -> Started<'k, T>;

    /// Makes the call of a client's method. `start` calls the twin.
    pub fn call<'s, M: Method, A>(
        client: &'s Inner<M::Service>,
        _: M,
        args: A,
        start: StartFn<'s, M::Service, A, M::Output>,
    ) -> Call<'s, ByPointers<'s, M::Service, A, M::Output>> {
        // What finds causes is one function for each type of answer, and no closure of each method.
        let way = ByPointers { method: M::INFO, cause: M::CAUSE, answers: Answers::of, start };
        Call::new(client, args, way)
    }

    impl<C: Service, A, T> Clone for ByPointers<'_, C, A, T> {
        fn clone(&self) -> Self {
            *self
        }
    }

    impl<C: Service, A, T> Copy for ByPointers<'_, C, A, T> {}

    impl<C: Service, A, T> fmt::Debug for ByPointers<'_, C, A, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.method.name)
        }
    }

    impl<'s, C: Service, A, T> Way<'s> for ByPointers<'s, C, A, T> {
        type Service = C;
        type Args = A;
        type Output = T;

        fn method(&self) -> &'static MethodInfo {
            self.method
        }

        fn answers(&self) -> Answers<T> {
            (self.answers)(self.cause)
        }

        fn start(
            &self,
            twin: &'s C::Dyn,
            args: Given<'_, 's, A, HandlerOf<C, T>>,
            cx: &mut Context<'_>,
            rest: &mut Rest<'s, A, HandlerOf<C, T>>,
        ) -> Poll<T> {
            raw::start(twin, args.take(), cx, rest, self.start)
        }
    }
}
