#[automatically_derived]
impl ::rpc_runtime::__private::Shape for AuthError {
    const NODE: ::rpc_runtime::__private::Node = {
        use ::rpc_runtime::__private::{self as __rpc, Unshaped as _};
        __rpc::field::<rpc_runtime::Error>();
        __rpc::Node::enumeration(
            "AuthError",
            &[
                ("Refused", __rpc::Fields::Unit),
                (
                    "Locked",
                    __rpc::Fields::Struct(
                        &[
                            ("until", __rpc::Of::<u64>::SHAPE),
                            ("tries", __rpc::Of::<u8>::SHAPE),
                        ],
                    ),
                ),
                ("Rpc", __rpc::Fields::Newtype(__rpc::Of::<rpc_runtime::Error>::SHAPE)),
            ],
        )
    };
}
#[derive(
    ::rpc_runtime::__private::serde::Serialize,
    ::rpc_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::rpc_runtime::__private::serde")]
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("token refused")]
    Refused,
    #[error("locked until {until}")]
    Locked { until: u64, tries: u8 },
    #[error(transparent)]
    Rpc(#[from] rpc_runtime::Error),
}
#[automatically_derived]
impl ::rpc_runtime::__private::Cause for AuthError {
    #[inline]
    fn rpc(&self) -> ::core::option::Option<&::rpc_runtime::__private::Error> {
        use ::rpc_runtime::__private::{self as __rpc, NoCause as _};
        match self {
            Self::Rpc(__field) => __rpc::Field(__field).__rpc(),
            _ => ::core::option::Option::None,
        }
    }
}
