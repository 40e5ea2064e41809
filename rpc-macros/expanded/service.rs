#[allow(private_bounds, private_interfaces)]
pub trait Auth: ::rpc_runtime::__private::Send + ::rpc_runtime::__private::Sync {
    /// Who the token belongs to.
    fn verify(
        &self,
        token: &str,
    ) -> impl ::rpc_runtime::__private::Future<
        Output = Result<User, AuthError>,
    > + ::rpc_runtime::__private::Send;
    fn find(
        &self,
        query: Query<'_>,
        limit: u32,
    ) -> impl ::rpc_runtime::__private::Future<
        Output = Result<Vec<User>, AuthError>,
    > + ::rpc_runtime::__private::Send;
}
/// A client of [`Auth`]: it implements the trait itself, and calls whatever it is bound to.
pub struct AuthClient(::rpc_runtime::__private::Inner<AuthClient>);
impl AuthClient {
    /// A client that owns `implementation`: for typed calls alone.
    #[must_use]
    pub fn new<__W: Auth + 'static>(implementation: __W) -> Self {
        Self(::rpc_runtime::__private::Inner::owned(implementation))
    }
    /// A client of an implementation that the caller keeps: for typed calls alone.
    #[must_use]
    pub fn shared<__W: Auth + 'static>(
        implementation: ::rpc_runtime::__private::Arc<__W>,
    ) -> Self {
        Self(::rpc_runtime::__private::Inner::shared(implementation))
    }
    /// A client of a Worker: for everything that its entrypoint declares, `fetch` included.
    #[must_use]
    pub fn from_worker<__W: ::rpc_runtime::__private::Worker + Auth>(
        worker: __W,
    ) -> Self {
        Self(::rpc_runtime::__private::Inner::worker(worker))
    }
}
const _: () = {
    use ::rpc_runtime::__private as __rpc;
    use __rpc::{Method as _, NoCause as _, NoResult as _, Unshaped as _};
    use __rpc::{
        Begun as _, NotCarried as _, PlainKind as _, Taken as _, UnknownKind as _,
    };
    pub struct __verify_;
    #[automatically_derived]
    impl __rpc::Method for __verify_ {
        type Service = AuthClient;
        type Args<'__a> = (&'__a str,);
        type Read<'__a> = (&'__a str,);
        type Output = Result<User, AuthError>;
        const INFO: &'static __rpc::MethodInfo = &__rpc::MethodInfo::new(
            "Auth",
            "verify",
            &[("token", __rpc::Of::<str>::SHAPE)],
            __rpc::Of::<Result<User, AuthError>>::SHAPE,
        );
        const CAUSE: __rpc::CauseOf<Self> = __rpc::Field::<Self::Output>::CAUSE;
        fn codec<'__a>() -> impl __rpc::CodecOf<'__a, Self> {
            __rpc::codec(
                (__rpc::Of::<&'__a str>::NEW.__kind(),),
                __rpc::Answer::<Result<User, AuthError>>::NEW.__kind(),
            )
        }
    }
    pub struct __find_;
    #[automatically_derived]
    impl __rpc::Method for __find_ {
        type Service = AuthClient;
        type Args<'__a> = (Query<'__a>, u32);
        type Read<'__a> = (Query<'__a>, u32);
        type Output = Result<Vec<User>, AuthError>;
        const INFO: &'static __rpc::MethodInfo = &__rpc::MethodInfo::new(
                "Auth",
                "search",
                &[
                    ("query", __rpc::Of::<Query<'static>>::SHAPE),
                    ("limit", __rpc::Of::<u32>::SHAPE),
                ],
                __rpc::Of::<Result<Vec<User>, AuthError>>::SHAPE,
            )
            .defaults(&["query"])
            .idempotent()
            .deadline(__rpc::Duration::from_micros(2000000));
        const CAUSE: __rpc::CauseOf<Self> = __rpc::Field::<Self::Output>::CAUSE;
        fn codec<'__a>() -> impl __rpc::CodecOf<'__a, Self> {
            __rpc::codec(
                (__rpc::Of::<Query<'__a>>::NEW.__kind(), __rpc::Of::<u32>::NEW.__kind()),
                __rpc::Answer::<Result<Vec<User>, AuthError>>::NEW.__kind(),
            )
        }
    }
    const _: fn() = || {
        __rpc::argument::<str>();
        __rpc::Returned::<Result<User, AuthError>>::carried();
        __rpc::argument::<Query<'static>>();
        __rpc::argument::<u32>();
        __rpc::Returned::<Result<Vec<User>, AuthError>>::part::<User>();
        __rpc::Returned::<Result<Vec<User>, AuthError>, __rpc::After<User>>::carried();
    };
    pub trait __AuthDyn: __rpc::Target<__rpc::Threaded> + __rpc::Send + __rpc::Sync {
        fn verify<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __verify_>,
            slot: __rpc::SlotOf<'c, __verify_>,
        ) -> __rpc::StartedOf<'c, __verify_> {
            slot.send(self.__port(), __verify_, args)
        }
        fn find<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __find_>,
            slot: __rpc::SlotOf<'c, __find_>,
        ) -> __rpc::StartedOf<'c, __find_> {
            slot.send(self.__port(), __find_, args)
        }
    }
    #[automatically_derived]
    impl<__W: Auth + 'static> __AuthDyn for __rpc::Local<__W, __rpc::Threaded> {
        fn verify<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __verify_>,
            slot: __rpc::SlotOf<'c, __verify_>,
        ) -> __rpc::StartedOf<'c, __verify_> {
            slot.run(self.worker(), move |it| __W::verify(it, args.0))
        }
        fn find<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __find_>,
            slot: __rpc::SlotOf<'c, __find_>,
        ) -> __rpc::StartedOf<'c, __find_> {
            slot.run(self.worker(), move |it| __W::find(it, args.0, args.1))
        }
    }
    impl<__F: __rpc::Far> __AuthDyn for __rpc::Proxy<__F> {}
    #[automatically_derived]
    impl __rpc::Boundary for AuthClient {
        fn proxy<__F: __rpc::Far>(far: __F) -> __rpc::Box<dyn __AuthDyn> {
            __rpc::Box::new(__rpc::Proxy(far))
        }
        fn serve<__C: __rpc::Incoming>(self, call: __C) -> __C::Handler {
            if call.__is(__verify_) {
                let (call, begun) = call.__begin();
                return begun
                    .__run(async move {
                        let (token,) = call.__read(__verify_)?;
                        call.__answer(
                            __verify_,
                            <Self as Auth>::verify(&self, token).await,
                        )
                    });
            }
            if call.__is(__find_) {
                let (call, begun) = call.__begin();
                return begun
                    .__run(async move {
                        let (query, limit) = call.__read(__find_)?;
                        call.__answer(
                            __find_,
                            <Self as Auth>::find(&self, query, limit).await,
                        )
                    });
            }
            call.__unknown()
        }
    }
    #[automatically_derived]
    impl __rpc::Service for AuthClient {
        type Dyn = dyn __AuthDyn;
        type Flavour = __rpc::Threaded;
        const INFO: &'static __rpc::ServiceInfo = &__rpc::ServiceInfo::new(
            "Auth",
            &[__verify_::INFO, __find_::INFO],
        );
        fn __from_inner(inner: __rpc::Inner<Self>) -> Self {
            Self(inner)
        }
        fn __inner(&self) -> &__rpc::Inner<Self> {
            &self.0
        }
    }
    #[automatically_derived]
    impl<__W: Auth + 'static> __rpc::Serves<__W> for AuthClient {
        fn twin(local: __rpc::Local<__W, __rpc::Threaded>) -> __rpc::Box<dyn __AuthDyn> {
            __rpc::Box::new(local)
        }
        fn served(self) -> __rpc::Option<__rpc::Served> {
            __rpc::Served::of(self)
        }
    }
    #[automatically_derived]
    impl Auth for AuthClient {
        fn verify(&self, token: &str) -> impl __rpc::Calling<__verify_> {
            __rpc::call(
                &self.0,
                __verify_,
                (token,),
                |call| call.twin.verify(call.args, call.slot),
            )
        }
        fn find(&self, query: Query<'_>, limit: u32) -> impl __rpc::Calling<__find_> {
            __rpc::call(
                &self.0,
                __find_,
                (query, limit),
                |call| call.twin.find(call.args, call.slot),
            )
        }
    }
    __rpc::client! {
        AuthClient
    }
};
