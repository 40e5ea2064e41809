//! The object-safe twin of the trait, and the one implementation of it for all that implement the trait.
//!
//! It takes arguments as the description's tuple: a lifetime that was forgotten in a signature is then one
//! mistake, in the description, and not one in each place that repeats the signature.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Index;

use crate::service::model::{Method, Service};

pub(super) fn expand(service: &Service) -> TokenStream {
    let (name, twin, flavour) = (&service.name, service.twin(), super::flavour(service));
    let visibility = super::visibility(service);
    let send = (!service.local).then(|| quote! { + __rpc::Send + __rpc::Sync });
    let declarations = service.methods.iter().map(declaration);
    let handlers = service.methods.iter().map(|method| handler(service, method));
    quote! {
        #visibility trait #twin: __rpc::Target<#flavour> #send {
            #(#declarations)*
        }
        #[automatically_derived]
        impl<__W: #name + 'static> #twin for __rpc::Local<__W, #flavour> {
            #(#handlers)*
        }
    }
}

fn declaration(method: &Method) -> TokenStream {
    let conditions = &method.attributes.conditions;
    let signature = signature(method);
    quote! { #(#conditions)* #signature; }
}

fn handler(service: &Service, method: &Method) -> TokenStream {
    let (service, name) = (&service.name, &method.name);
    let conditions = &method.attributes.conditions;
    let signature = signature(method);
    let positions = (0..method.arguments.len()).map(Index::from);
    quote! {
        #(#conditions)*
        #signature {
            slot.run(self.worker(), move |worker| <__W as #service>::#name(worker, #(args.#positions),*))
        }
    }
}

fn signature(method: &Method) -> TokenStream {
    let (name, marker) = (&method.name, method.marker());
    quote! {
        fn #name<'__c>(
            &'__c self,
            args: <#marker as __rpc::Method>::Args<'__c>,
            slot: __rpc::SlotOf<'__c, #marker>,
        ) -> __rpc::StartedOf<'__c, #marker>
    }
}
