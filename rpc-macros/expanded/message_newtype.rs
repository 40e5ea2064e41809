#[derive(
    ::rpc_runtime::__private::serde::Serialize,
    ::rpc_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::rpc_runtime::__private::serde")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserId(pub u64);
const _: () = {
    use ::rpc_runtime::__private::{self as __rpc, NoCause as _, Unshaped as _};
    #[automatically_derived]
    impl __rpc::Shape for UserId {
        fn shape() -> &'static __rpc::Node {
            const { &__rpc::Node::newtype(__rpc::Of::<u64>::SHAPE) }
        }
    }
};
