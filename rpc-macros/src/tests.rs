//! Golden expansions: what each macro writes, as a person reads it.
//!
//! `BLESS=1 cargo test -p rpc-macros` writes the files in `expanded/` again, to be read in review.

use std::path::Path;
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::quote;

#[test]
fn a_service() {
    let item = r#"
        pub trait Auth {
            /// Who the token belongs to.
            async fn verify(&self, token: &str) -> Result<User, AuthError>;
            #[rpc(idempotent, deadline = "2s", rename = "search")]
            async fn find(&self, #[rpc(default)] query: Query<'_>, limit: u32) -> Result<Vec<User>, AuthError>;
        }
    "#;
    assert_golden("service", service("", item));
}

#[test]
fn a_service_that_stays_in_its_thread() {
    let item = r#"
        pub(crate) trait Canvas {
            async fn draw(&self, shape: Rc<dyn Shape>, on_click: &dyn Fn(&str)) -> rpc_runtime::Result<()>;
        }
    "#;
    assert_golden("service_local", service("local", item));
}

#[test]
fn a_service_with_attributes() {
    let item = r#"
        /// Texts.
        #[deprecated = "read `Books`"]
        trait Texts {
            #[cfg(unix)]
            #[deprecated]
            #[expect(clippy::too_many_arguments)]
            #[rpc(spawn)]
            async fn r#type(&self, #[rpc(rename = "of")] r#in: &[Text]) -> Alias;
            #[cfg_attr(feature = "long", doc = "All of it.", cfg(feature = "text"))]
            async fn read(&self) -> Alias;
        }
    "#;
    let expansion = service(r#"rename = "acme.texts", crate = "facade::rpc""#, item);
    assert!(!expansion.to_string().contains("rpc_runtime"), "every path starts at the one that was given");
    assert_golden("service_attributes", expansion);
}

/// The span of a local is of the edition of this crate, where `gen` is a keyword; in the user's it may be a name.
#[test]
fn an_argument_whose_name_is_a_keyword_here_is_written_raw() {
    let expanded = service("", "trait Makes { async fn make(&self, gen: u8) -> Alias; }").to_string();
    assert!(expanded.contains("let (r#gen ,) = ") && !expanded.contains("let (gen"), "{expanded}");
}

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
    assert_golden(name, crate::message::message(TokenStream::new(), item));
}

/// What `#[service(arguments)]` on `item` expands to.
fn service(arguments: &str, item: &str) -> TokenStream {
    let tokens = |text: &str| text.parse().expect("the test is Rust");
    crate::service::service(tokens(arguments), tokens(item)).expect("the test has no mistakes")
}

/// Compares with `expanded/<name>.rs`.
#[track_caller]
fn assert_golden(name: &str, expansion: TokenStream) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expanded").join(name).with_extension("rs");
    let file = syn::parse2(expansion).expect("an expansion is items");
    let expanded = prettyplease::unparse(&file);
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &expanded).expect("the folder of the expansions is there");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == expanded, "{name} expands to other code, `BLESS=1` accepts it:\n{expanded}");
}
