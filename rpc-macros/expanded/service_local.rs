#[allow(private_bounds, private_interfaces)]
pub(crate) trait Canvas {
    fn draw(
        &self,
        shape: Rc<dyn Shape>,
        on_click: &dyn Fn(&str),
    ) -> impl ::rpc_runtime::__private::Future<Output = rpc_runtime::Result<()>>;
}
/// A client of [`Canvas`]: it implements the trait itself, and calls whatever it is bound to.
pub(crate) struct CanvasClient(::rpc_runtime::__private::Inner<CanvasClient>);
impl CanvasClient {
    /// A client that owns `implementation`: for typed calls alone.
    #[must_use]
    pub fn new<__W: Canvas + 'static>(implementation: __W) -> Self {
        Self(::rpc_runtime::__private::Inner::owned(implementation))
    }
    /// A client of an implementation that the caller keeps: for typed calls alone.
    #[must_use]
    pub fn shared<__W: Canvas + 'static>(
        implementation: ::rpc_runtime::__private::Arc<__W>,
    ) -> Self {
        Self(::rpc_runtime::__private::Inner::shared(implementation))
    }
    /// A client of a Worker: for everything that its entrypoint declares, `fetch` included.
    #[must_use]
    pub fn from_worker<__W: ::rpc_runtime::__private::Worker + Canvas>(
        worker: __W,
    ) -> Self {
        Self(::rpc_runtime::__private::Inner::worker(worker))
    }
}
const _: () = {
    use ::rpc_runtime::__private as __rpc;
    use __rpc::{Method as _, NoCause as _, NoResult as _, Unshaped as _};
    pub(crate) struct __draw_;
    #[automatically_derived]
    impl __rpc::Method for __draw_ {
        type Service = CanvasClient;
        type Args<'__a> = (Rc<dyn Shape>, &'__a dyn Fn(&str));
        type Read<'__a> = ();
        type Output = rpc_runtime::Result<()>;
        const INFO: &'static __rpc::MethodInfo = &__rpc::MethodInfo::new(
            "Canvas",
            "draw",
            &[("shape", __rpc::NOT_CARRIED), ("on_click", __rpc::NOT_CARRIED)],
            __rpc::NOT_CARRIED,
        );
        const CAUSE: __rpc::CauseOf<Self> = __rpc::Field::<Self::Output>::CAUSE;
    }
    pub(crate) trait __CanvasDyn: __rpc::Target<__rpc::SameThread> {
        fn draw<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __draw_>,
            slot: __rpc::SlotOf<'c, __draw_>,
        ) -> __rpc::StartedOf<'c, __draw_>;
    }
    #[automatically_derived]
    impl<__W: Canvas + 'static> __CanvasDyn for __rpc::Local<__W, __rpc::SameThread> {
        fn draw<'c>(
            &'c self,
            args: __rpc::ArgsOf<'c, __draw_>,
            slot: __rpc::SlotOf<'c, __draw_>,
        ) -> __rpc::StartedOf<'c, __draw_> {
            slot.run(self.worker(), move |it| __W::draw(it, args.0, args.1))
        }
    }
    #[automatically_derived]
    impl __rpc::Service for CanvasClient {
        type Dyn = dyn __CanvasDyn;
        type Flavour = __rpc::SameThread;
        const INFO: &'static __rpc::ServiceInfo = &__rpc::ServiceInfo::new(
            "Canvas",
            &[__draw_::INFO],
        );
        fn __from_inner(inner: __rpc::Inner<Self>) -> Self {
            Self(inner)
        }
        fn __inner(&self) -> &__rpc::Inner<Self> {
            &self.0
        }
    }
    #[automatically_derived]
    impl<__W: Canvas + 'static> __rpc::Serves<__W> for CanvasClient {
        fn twin(
            local: __rpc::Local<__W, __rpc::SameThread>,
        ) -> __rpc::Box<dyn __CanvasDyn> {
            __rpc::Box::new(local)
        }
    }
    #[automatically_derived]
    impl Canvas for CanvasClient {
        fn draw(
            &self,
            shape: Rc<dyn Shape>,
            on_click: &dyn Fn(&str),
        ) -> impl __rpc::Future<Output = __rpc::OutputOf<__draw_>> {
            __rpc::call(
                &self.0,
                __draw_,
                (shape, on_click),
                |call| call.twin.draw(call.args, call.slot),
            )
        }
    }
    __rpc::local_client! {
        CanvasClient
    }
};
