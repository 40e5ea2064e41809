//! Golden expansions: what the macros write, to be read in review.
//!
//! `BLESS=1 cargo test -p rpc-macros` rewrites `expanded/*.rs`.

use std::path::Path;
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::quote;

#[test]
fn message_struct() {
    message(
        "message_struct",
        quote! {
            /// What is asked for.
            #[derive(Debug, Clone)]
            #[serde(rename_all = "camelCase")]
            pub struct Query<'a> {
                /// The words.
                pub text: &'a str,
                pub page_size: Option<u32>,
                pub cursor: Option<Vec<u8>>,
                pub within: Cow<'a, str>,
                #[cfg(feature = "trace")]
                pub trace: TraceId,
                #[rpc(opaque = "uuid 1")]
                pub id: Uuid,
                #[serde(skip)]
                pub cached: bool,
            }
        },
    );
}

#[test]
fn message_error() {
    message(
        "message_error",
        quote! {
            #[derive(Debug, thiserror::Error)]
            pub enum AuthError {
                #[error("token refused")]
                Refused,
                #[error("locked until {until}")]
                Locked { until: u64, tries: u8 },
                #[error(transparent)]
                Rpc(#[from] rpc_runtime::Error),
            }
        },
    );
}

#[test]
fn message_generic() {
    message(
        "message_generic",
        quote! {
            pub enum Tree<T: Ord, K> {
                Leaf,
                Node(Box<Tree<T, K>>, T, Box<Tree<T, K>>),
                Marked(PhantomData<K>),
            }
        },
    );
}

#[test]
fn message_newtype() {
    message(
        "message_newtype",
        quote! {
            #[derive(Clone, Copy, PartialEq, Eq)]
            pub struct UserId(pub u64);
        },
    );
}

fn message(name: &str, item: TokenStream) {
    compare(name, &crate::message::message(TokenStream::new(), item));
}

/// Compares an expansion with its file, or writes the file.
fn compare(name: &str, expansion: &TokenStream) {
    let file = syn::parse2(expansion.clone()).expect("an expansion is a list of items");
    let expanded = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expanded").join(name).with_extension("rs");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &expanded).expect("`expanded` can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == expanded, "{name} expands differently; BLESS=1 rewrites the file\n{expanded}");
}
