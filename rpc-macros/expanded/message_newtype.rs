#[automatically_derived]
impl ::rpc_runtime::__private::Shape for UserId {
    const NODE: ::rpc_runtime::__private::Node = {
        use ::rpc_runtime::__private::{self as __rpc, Unshaped as _};
        __rpc::Node::newtype(__rpc::Of::<u64>::SHAPE)
    };
}
#[derive(
    ::rpc_runtime::__private::serde::Serialize,
    ::rpc_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::rpc_runtime::__private::serde")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserId(pub u64);
