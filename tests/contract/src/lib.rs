//! Services of each kind in a crate that denies what can be denied. That it compiles, and that clippy is silent,
//! is the test of what is generated; `rpc-tests` implements and calls them.
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types,
    private_interfaces,
    private_bounds,
    elided_lifetimes_in_paths,
    single_use_lifetimes,
    unused_lifetimes,
    redundant_lifetimes,
    nonstandard_style,
    non_ascii_idents,
    keyword_idents,
    unused,
    unused_crate_dependencies,
    unused_import_braces,
    unused_qualifications,
    unused_results,
    trivial_casts,
    trivial_numeric_casts,
    variant_size_differences,
    let_underscore_drop,
    unit_bindings,
    meta_variable_misuse,
    future_incompatible,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unsafe_code,
    clippy::all,
    clippy::pedantic
)]

use std::rc::Rc;

use runtime::{Result, service};

/// A type that borrows.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Query<'a> {
    /// What to look for.
    #[serde(borrow)]
    pub text: &'a str,
}

/// A service that all may call.
#[service(crate = "::runtime", rename = "acme.search")]
pub trait Search {
    /// Whether anybody is there.
    async fn ping(&self) -> Result<()>;

    /// The rows that hold the text.
    #[rpc(idempotent, deadline = "2s")]
    async fn find(
        &self,
        query: Query<'_>,
        rows: &[&str],
        #[rpc(default)] limit: Option<u32>,
    ) -> Result<Vec<u8>>;

    /// The rows that hold another.
    #[rpc(spawn)]
    async fn find_lent(&self, query: &Query<'_>, names: Vec<String>) -> Result<u64>;
}

/// A service that stays in its thread.
#[service(local, crate = "::runtime")]
pub trait Canvas {
    /// Draws, and gives back what is left.
    async fn draw(&self, text: Rc<str>, each: &dyn Fn(&str)) -> Result<Rc<str>>;
}

/// A service without methods yet.
#[service(crate = "::runtime")]
pub trait Later {}

mod inside {
    use runtime::{Result, service};

    /// A type as visible as the service.
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(crate) struct Secret(u8);

    #[service(crate = "::runtime")]
    pub(crate) trait Internal {
        async fn tell(&self, secret: Secret, more: &Secret) -> Result<Secret>;
    }

    #[service(crate = "::runtime")]
    trait Private {
        async fn tell(&self, secret: &[Secret]) -> Result<()>;
    }
}
