//! Model to Rust. The expansion describes, the runtime does: whatever could be a function of the runtime
//! is one. Nothing here can fail.

use proc_macro2::TokenStream;

use crate::service::model::Service;

mod contract;

pub(super) fn service(service: &Service) -> TokenStream {
    contract::expand(service)
}
