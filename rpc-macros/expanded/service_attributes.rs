/// Texts.
#[deprecated = "read `Books`"]
#[allow(private_bounds, private_interfaces)]
trait Texts: facade::rpc::__private::Send + facade::rpc::__private::Sync {
    #[cfg(unix)]
    #[deprecated]
    #[expect(clippy::too_many_arguments)]
    fn r#type(
        &self,
        r#in: &[Text],
    ) -> impl facade::rpc::__private::Future<
        Output = Alias,
    > + facade::rpc::__private::Send;
    #[cfg_attr(feature = "long", doc = "All of it.", cfg(feature = "text"))]
    fn read(
        &self,
    ) -> impl facade::rpc::__private::Future<
        Output = Alias,
    > + facade::rpc::__private::Send;
}
/// A client of [`Texts`]: it implements the trait itself, and calls whatever it is bound to.
#[deprecated = "read `Books`"]
struct TextsClient(facade::rpc::__private::Inner<TextsClient>);
#[allow(deprecated)]
impl TextsClient {
    /// A client that owns `implementation`: for typed calls alone.
    #[must_use]
    pub fn new<__W: Texts + 'static>(implementation: __W) -> Self {
        Self(facade::rpc::__private::Inner::owned(implementation))
    }
    /// A client of an implementation that the caller keeps: for typed calls alone.
    #[must_use]
    pub fn shared<__W: Texts + 'static>(
        implementation: facade::rpc::__private::Arc<__W>,
    ) -> Self {
        Self(facade::rpc::__private::Inner::shared(implementation))
    }
    /// A client of a Worker: for everything that its entrypoint declares, `fetch` included.
    #[must_use]
    pub fn from_worker<__W: facade::rpc::__private::Worker + Texts>(
        worker: __W,
    ) -> Self {
        Self(facade::rpc::__private::Inner::worker(worker))
    }
}
#[allow(clippy::too_many_arguments)]
#[allow(deprecated)]
const _: () = {
    use facade::rpc::__private as __rpc;
    use __rpc::{Method as _, NoCause as _, NoResult as _, Unshaped as _};
    use __rpc::{
        Begun as _, NotCarried as _, PlainKind as _, Taken as _, UnknownKind as _,
    };
    #[cfg(unix)]
    struct __type_;
    #[cfg(unix)]
    #[automatically_derived]
    impl __rpc::Method for __type_ {
        type Service = TextsClient;
        type Args<'__a> = (&'__a [Text],);
        type Read<'__a> = (__rpc::OwnedOf<[Text]>,);
        type Output = Alias;
        const INFO: &'static __rpc::MethodInfo = &__rpc::MethodInfo::new(
                "acme.texts",
                "type",
                &[("of", __rpc::Of::<[Text]>::SHAPE)],
                __rpc::Of::<Alias>::SHAPE,
            )
            .spawn();
        const CAUSE: __rpc::CauseOf<Self> = __rpc::Field::<Self::Output>::CAUSE;
        fn codec<'__a>() -> impl __rpc::CodecOf<'__a, Self> {
            __rpc::codec(
                (__rpc::Lent::<[Text]>::NEW.__kind(),),
                __rpc::Answer::<Alias>::NEW.__kind(),
            )
        }
    }
    #[cfg_attr(feature = "long", cfg(feature = "text"))]
    struct __read_;
    #[cfg_attr(feature = "long", cfg(feature = "text"))]
    #[automatically_derived]
    impl __rpc::Method for __read_ {
        type Service = TextsClient;
        type Args<'__a> = ();
        type Read<'__a> = ();
        type Output = Alias;
        const INFO: &'static __rpc::MethodInfo = &__rpc::MethodInfo::new(
            "acme.texts",
            "read",
            &[],
            __rpc::Of::<Alias>::SHAPE,
        );
        const CAUSE: __rpc::CauseOf<Self> = __rpc::Field::<Self::Output>::CAUSE;
        fn codec<'__a>() -> impl __rpc::CodecOf<'__a, Self> {
            __rpc::codec((), __rpc::Answer::<Alias>::NEW.__kind())
        }
    }
    const _: fn() = || {
        #[cfg(unix)] __rpc::Whole::<[Text]>::part::<Text>();
        #[cfg(unix)] <__rpc::After<Text>>::argument::<[Text]>();
        #[cfg(unix)] __rpc::Returned::<Alias>::carried();
        #[cfg_attr(feature = "long", cfg(feature = "text"))]
        __rpc::Returned::<Alias>::carried();
    };
    trait __TextsDyn: __rpc::Target<__rpc::Threaded> + __rpc::Send + __rpc::Sync {
        #[cfg(unix)]
        fn r#type<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __type_>,
            slot: __rpc::SlotOf<'c, __type_>,
        ) -> __rpc::StartedOf<'c, __type_> {
            slot.send(self.__port(), __type_, args)
        }
        #[cfg_attr(feature = "long", cfg(feature = "text"))]
        fn read<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __read_>,
            slot: __rpc::SlotOf<'c, __read_>,
        ) -> __rpc::StartedOf<'c, __read_> {
            slot.send(self.__port(), __read_, args)
        }
    }
    #[automatically_derived]
    impl<__W: Texts + 'static> __TextsDyn for __rpc::Local<__W, __rpc::Threaded> {
        #[cfg(unix)]
        fn r#type<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __type_>,
            slot: __rpc::SlotOf<'c, __type_>,
        ) -> __rpc::StartedOf<'c, __type_> {
            slot.run(self.worker(), move |it| __W::r#type(it, args.0))
        }
        #[cfg_attr(feature = "long", cfg(feature = "text"))]
        fn read<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __read_>,
            slot: __rpc::SlotOf<'c, __read_>,
        ) -> __rpc::StartedOf<'c, __read_> {
            slot.run(self.worker(), move |it| __W::read(it))
        }
    }
    impl<__F: __rpc::Far> __TextsDyn for __rpc::Proxy<__F> {}
    #[automatically_derived]
    impl __rpc::Boundary for TextsClient {
        fn proxy<__F: __rpc::Far>(far: __F) -> __rpc::Box<dyn __TextsDyn> {
            __rpc::Box::new(__rpc::Proxy(far))
        }
        fn serve<__C: __rpc::Incoming>(self, call: __C) -> __C::Handler {
            #[cfg(unix)]
            if call.__is(__type_) {
                let (call, begun) = call.__begin();
                return begun
                    .__run(async move {
                        let (r#in,) = call.__read(__type_)?;
                        call.__answer(
                            __type_,
                            <Self as Texts>::r#type(&self, &r#in).await,
                        )
                    });
            }
            #[cfg_attr(feature = "long", cfg(feature = "text"))]
            if call.__is(__read_) {
                let (call, begun) = call.__begin();
                return begun
                    .__run(async move {
                        call.__read(__read_)?;
                        call.__answer(__read_, <Self as Texts>::read(&self).await)
                    });
            }
            call.__unknown()
        }
    }
    #[automatically_derived]
    impl __rpc::Service for TextsClient {
        type Dyn = dyn __TextsDyn;
        type Flavour = __rpc::Threaded;
        const INFO: &'static __rpc::ServiceInfo = &__rpc::ServiceInfo::new(
            "acme.texts",
            &[
                #[cfg(unix)]
                __type_::INFO,
                #[cfg_attr(feature = "long", cfg(feature = "text"))]
                __read_::INFO,
            ],
        );
        fn __from_inner(inner: __rpc::Inner<Self>) -> Self {
            Self(inner)
        }
        fn __inner(&self) -> &__rpc::Inner<Self> {
            &self.0
        }
    }
    #[automatically_derived]
    impl<__W: Texts + 'static> __rpc::Serves<__W> for TextsClient {
        fn twin(
            local: __rpc::Local<__W, __rpc::Threaded>,
        ) -> __rpc::Box<dyn __TextsDyn> {
            __rpc::Box::new(local)
        }
        fn served(self) -> __rpc::Option<__rpc::Served> {
            __rpc::Served::of(self)
        }
    }
    #[automatically_derived]
    impl Texts for TextsClient {
        #[cfg(unix)]
        fn r#type(&self, r#in: &[Text]) -> impl __rpc::Calling<__type_> {
            __rpc::call(
                &self.0,
                __type_,
                (r#in,),
                |call| call.twin.r#type(call.args, call.slot),
            )
        }
        #[cfg_attr(feature = "long", cfg(feature = "text"))]
        fn read(&self) -> impl __rpc::Calling<__read_> {
            __rpc::call(
                &self.0,
                __read_,
                (),
                |call| call.twin.read(call.args, call.slot),
            )
        }
    }
    __rpc::client! {
        TextsClient
    }
};
