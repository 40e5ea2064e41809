#[automatically_derived]
impl<'a> ::rpc_runtime::__private::Shape for Query<'a> {
    const NODE: ::rpc_runtime::__private::Node = {
        use ::rpc_runtime::__private::{self as __rpc, Unshaped as _};
        #[cfg(feature = "trace")] __rpc::field::<TraceId>();
        __rpc::Node::structure(
            "Query",
            &[
                ("text", __rpc::Of::<&'a str>::SHAPE),
                ("pageSize", __rpc::Of::<Option<u32>>::SHAPE),
                ("cursor", __rpc::Of::<Option<Vec<u8>>>::SHAPE),
                ("within", __rpc::Of::<Cow<'a, str>>::SHAPE),
                #[cfg(feature = "trace")]
                ("trace", __rpc::Of::<TraceId>::SHAPE),
                ("id", || const { &__rpc::Node::opaque("uuid 1") }),
            ],
        )
    };
}
#[derive(
    ::rpc_runtime::__private::serde::Serialize,
    ::rpc_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::rpc_runtime::__private::serde")]
/// What is asked for.
#[derive(Debug, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Query<'a> {
    /// The words.
    pub text: &'a str,
    pub page_size: Option<u32>,
    #[serde(with = "::rpc_runtime::__private::run")]
    #[serde(default)]
    pub cursor: Option<Vec<u8>>,
    #[serde(borrow)]
    pub within: Cow<'a, str>,
    #[cfg(feature = "trace")]
    pub trace: TraceId,
    pub id: Uuid,
    #[serde(skip)]
    pub cached: bool,
}
