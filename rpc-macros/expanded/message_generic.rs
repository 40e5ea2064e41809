#[automatically_derived]
impl<T: Ord, K> ::rpc_runtime::__private::Shape for Tree<T, K>
where
    T: ::rpc_runtime::__private::Shape,
    K: ::rpc_runtime::__private::Shape,
{
    const NODE: ::rpc_runtime::__private::Node = {
        use ::rpc_runtime::__private::{self as __rpc, Unshaped as _};
        __rpc::field::<PhantomData<K>>();
        __rpc::Node::enumeration(
            "Tree",
            &[
                ("Leaf", __rpc::Fields::Unit),
                (
                    "Node",
                    __rpc::Fields::Tuple(
                        &[
                            __rpc::Of::<Box<Tree<T, K>>>::SHAPE,
                            __rpc::Of::<T>::SHAPE,
                            __rpc::Of::<Box<Tree<T, K>>>::SHAPE,
                        ],
                    ),
                ),
                ("Marked", __rpc::Fields::Newtype(__rpc::Of::<PhantomData<K>>::SHAPE)),
            ],
        )
    };
}
#[derive(
    ::rpc_runtime::__private::serde::Serialize,
    ::rpc_runtime::__private::serde::Deserialize
)]
#[serde(crate = "::rpc_runtime::__private::serde")]
pub enum Tree<T: Ord, K> {
    Leaf,
    Node(Box<Tree<T, K>>, T, Box<Tree<T, K>>),
    Marked(PhantomData<K>),
}
#[automatically_derived]
impl<T: Ord, K> ::rpc_runtime::__private::Cause for Tree<T, K> {}
