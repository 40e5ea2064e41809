//! The description of each method: the only place beside the trait and the client that spells its types.

use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::service::model::{Argument, Carried, Method, Service};

pub(super) fn method(service: &Service, method: &Method) -> TokenStream {
    let (client, marker) = (service.client(), method.marker());
    let conditions = &method.attributes.conditions;
    let visibility = super::visibility(service);
    let arguments = arguments(method);
    let output = &method.output;
    let info = info(service, method);
    let bounds = (!service.local).then(|| bounds(method));
    quote! {
        #(#conditions)*
        #[derive(__rpc::Clone, __rpc::Copy)]
        #visibility struct #marker;
        #(#conditions)*
        #[automatically_derived]
        impl __rpc::Method for #marker {
            type Service = #client;
            #arguments
            type Output = #output;
            const INFO: &'static __rpc::MethodInfo = &#info;
        }
        #bounds
    }
}

/// The arguments as a tuple. A type that is less visible than the service is a mistake of this item:
///
/// ```text
/// async fn verify(&self, token: Private) -> Result<User, AuthError>;
///                ^^^^^^^^^^^^^^^^^^^^^^^
/// ```
fn arguments(method: &Method) -> TokenStream {
    let lifetime = Argument::lifetime(Span::mixed_site());
    let types = method.arguments.iter().map(|argument| &argument.described);
    quote_spanned! {method.parentheses=> type Args<#lifetime> = (#(#types,)*); }
}

fn info(service: &Service, method: &Method) -> TokenStream {
    let (service_name, name) = (&service.wire_name, &method.wire_name);
    let Method { idempotent, output, .. } = method;
    let spawn = method.spawn.is_some();
    let deadline = deadline(method.deadline);
    let arguments = method.arguments.iter().map(|argument| argument_info(service, argument));
    let output = (!service.local).then_some(output);
    quote! {
        __rpc::MethodInfo {
            service: #service_name,
            name: #name,
            id: __rpc::MethodId::of(#service_name, #name),
            idempotent: #idempotent,
            deadline: #deadline,
            spawn: #spawn,
            args: &[#(#arguments),*],
            output: __rpc::output_shape!(#output),
        }
    }
}

fn deadline(deadline: Option<Duration>) -> TokenStream {
    let Some(deadline) = deadline else { return quote! { __rpc::None } };
    let micros = u64::try_from(deadline.as_micros()).expect("a deadline is read from microseconds in a u64");
    let micros = Literal::u64_unsuffixed(micros);
    quote! { __rpc::Some(__rpc::Duration::from_micros(#micros)) }
}

fn argument_info(service: &Service, argument: &Argument) -> TokenStream {
    let Argument { wire_name, default, .. } = argument;
    let shape = (!service.local).then(|| match &argument.carried {
        Carried::Lent(ty) => quote! { &'static #ty },
        Carried::Owned(ty) => quote! { #ty },
    });
    quote! {
        __rpc::ArgInfo { name: #wire_name, default: #default, shape: __rpc::shape!(#shape) }
    }
}

/// What a boundary asks of the types, one assertion for each, so that rustc underlines the type alone:
///
/// ```text
/// async fn verify(&self, token: Opaque, name: &str) -> Result<User, AuthError>;
///                               ^^^^^^
/// ```
fn bounds(method: &Method) -> TokenStream {
    let conditions = &method.attributes.conditions;
    let arguments = method.arguments.iter().map(|argument| match &argument.carried {
        Carried::Lent(ty) => quote_spanned! { ty.span()=> __rpc::lent::<#ty>(); },
        Carried::Owned(ty) => quote_spanned! { ty.span()=> __rpc::owned::<#ty>(); },
    });
    let output = &method.output;
    quote! {
        #(#conditions)*
        const _: () = {
            #(#arguments)*
            __rpc::output::<#output>();
        };
    }
}
