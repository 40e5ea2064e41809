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
const _: () = {
    use ::rpc_runtime::__private::{self as __rpc, NoCause as _, Unshaped as _};
    #[automatically_derived]
    impl __rpc::Shape for AuthError {
        fn shape() -> &'static __rpc::Node {
            const {
                &__rpc::Node::enumeration(
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
                        (
                            "Rpc",
                            __rpc::Fields::Newtype(
                                __rpc::Of::<rpc_runtime::Error>::SHAPE,
                            ),
                        ),
                    ],
                )
            }
        }
    }
    #[automatically_derived]
    impl __rpc::Cause for AuthError {
        fn rpc(&self) -> ::core::option::Option<&__rpc::Error> {
            match self {
                Self::Rpc(field) => __rpc::Field(field).rpc(),
                _ => ::core::option::Option::None,
            }
        }
    }
};
