//! Writes the item with serde's derives, its `Shape` and, for an enum, its `Cause`.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::visit_mut::VisitMut;
use syn::{Attribute, DeriveInput, Generics, Token, parse_quote, punctuated::Punctuated};

use super::attributes::{Attributes, Declared};
use super::lower::path_text;
use super::model::{Body, Field, Fields, Form, Message, Variant};
use super::spelling;

pub(crate) fn message(message: &Message) -> TokenStream {
    let Message { item, root, .. } = message;
    let serde = format!("{}::__private::serde", path_text(root));
    let shape = shape(message);
    let cause = matches!(message.body, Body::Enum(_)).then(|| cause(message));
    // Above what serde derives, so that rustc says first what is ours to say.
    quote! {
        #shape
        #[derive(#root::__private::serde::Serialize, #root::__private::serde::Deserialize)]
        #[serde(crate = #serde)]
        #item
        #cause
    }
}

/// `impl Shape`: one constant table.
///
/// The imports stand inside the constant: a block of their own around both impls was one more body for
/// rustc to check in each message.
fn shape(message: &Message) -> TokenStream {
    let Message { item, root, .. } = message;
    let allow = allow_deprecated(message);
    let ident = &item.ident;
    let generics = shape_generics(message);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let fields = fields(message);
    let node = node(message);
    quote! {
        #[automatically_derived]
        #allow
        impl #impl_generics #root::__private::Shape for #ident #ty_generics #where_clause {
            const NODE: #root::__private::Node = {
                use #root::__private::{self as __rpc, Unshaped as _};
                #(#fields)*
                __rpc::Node::#node
            };
        }
    }
}

/// States of each type that fields name that it can be carried, as what stands inside of another one:
///
/// ```text
/// owners: Vec<Opaque>,
///             ^^^^^^
/// ```
///
/// serde asks for that too, up to four times a field, and would have its own traits derived.
fn fields(message: &Message) -> Vec<TokenStream> {
    let parameters = message.type_parameters();
    let mut asked = HashSet::new();
    let mut statements = Vec::new();
    for (outer, field) in message.read_by_serde() {
        for ty in spelling::innermost(&field.ty) {
            let cfg = outer.iter().chain(&field.cfg);
            let statement = quote!(#(#cfg)* __rpc::field::<#ty>(););
            if spelling::uses_of(&parameters, ty).is_empty() && asked.insert(statement.to_string()) {
                statements.push(statement);
            }
        }
    }
    statements
}

/// The constructor's call.
fn node(message: &Message) -> TokenStream {
    let name = message.item.ident.to_string();
    match (&message.attributes.declared, &message.body) {
        (Some(Declared::Opaque(form)), _) => quote!(opaque(#form)),
        (Some(Declared::As(ty)), _) => quote!(newtype(<#ty as __rpc::Shape>::shape)),
        (None, Body::Struct(fields)) if message.attributes.has("transparent") => transparent(fields),
        (None, Body::Struct(fields)) => match fields.form() {
            Form::Unit => quote!(unit()),
            Form::Newtype(field) => {
                let child = child(field);
                quote!(newtype(#child))
            }
            Form::Tuple(fields) => {
                let elements = fields.into_iter().map(child);
                quote!(tuple(&[#(#elements),*]))
            }
            Form::Named(fields) => {
                let fields = fields.into_iter().map(named);
                quote!(structure(#name, &[#(#fields),*]))
            }
        },
        (None, Body::Enum(variants)) => {
            let variants = variants.iter().filter(|variant| !variant.attributes.skips()).map(variant);
            quote!(enumeration(#name, &[#(#variants),*]))
        }
        (None, Body::Union) => unreachable!("refused by the checks"),
    }
}

/// The one field that a `transparent` struct is written as; serde refuses one that has several.
fn transparent(fields: &Fields) -> TokenStream {
    let mut written = fields.written();
    let field = written.find(|field| !spelling::is_phantom(&field.ty) && !field.attributes.has("default"));
    let child = field.map(child);
    child.map_or_else(|| quote!(unit()), |child| quote!(newtype(#child)))
}

fn variant(variant: &Variant) -> TokenStream {
    let Variant { wire_name, cfg, attributes, fields, .. } = variant;
    let fields = match (declared(attributes), fields.form()) {
        (Some(child), _) => quote!(Newtype(#child)),
        (None, Form::Unit) => quote!(Unit),
        (None, Form::Newtype(field)) => {
            let child = child(field);
            quote!(Newtype(#child))
        }
        (None, Form::Tuple(fields)) => {
            let elements = fields.into_iter().map(child);
            quote!(Tuple(&[#(#elements),*]))
        }
        (None, Form::Named(fields)) => {
            let fields = fields.into_iter().map(named);
            quote!(Struct(&[#(#fields),*]))
        }
    };
    quote!(#(#cfg)* (#wire_name, __rpc::Fields::#fields))
}

fn named(field: &Field) -> TokenStream {
    let Field { wire_name, cfg, .. } = field;
    let child = child(field);
    quote!(#(#cfg)* (#wire_name, #child))
}

/// The function of a field's node: the declared form, or what rustc knows about the type.
fn child(field: &Field) -> TokenStream {
    let ty = &field.ty;
    declared(&field.attributes).unwrap_or_else(|| quote!(__rpc::Of::<#ty>::SHAPE))
}

fn declared(attributes: &Attributes) -> Option<TokenStream> {
    Some(match attributes.declared.as_ref()? {
        Declared::As(ty) => quote!(<#ty as __rpc::Shape>::shape),
        Declared::Opaque(form) => quote!(|| const { &__rpc::Node::opaque(#form) }),
    })
}

/// The user's generics, and a shape for each parameter that is written.
fn shape_generics(message: &Message) -> Generics {
    let root = &message.root;
    let mut generics = message.item.generics.clone();
    let parameters = message.type_parameters();
    if parameters.is_empty() || message.attributes.declared.is_some() {
        return generics;
    }
    let written = message.fields().filter(|field| !field.attributes.skips());
    let mut bounded = Vec::new();
    for path in written
        .filter(|field| field.attributes.declared.is_none())
        .flat_map(|field| spelling::uses_of(&parameters, &field.ty))
    {
        if !bounded.contains(&path) {
            generics.make_where_clause().predicates.push(parse_quote!(#path: #root::__private::Shape));
            bounded.push(path);
        }
    }
    generics
}

/// `impl Cause`: asks the only field of each variant that has just one.
fn cause(message: &Message) -> TokenStream {
    let Message { item, root, .. } = message;
    let allow = allow_deprecated(message);
    let ident = &item.ident;
    let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
    let variants = message.variants();
    let arms: Vec<_> = variants.iter().filter_map(|variant| cause_arm(message, variant)).collect();
    let rest = (arms.len() < variants.len()).then(|| quote!(_ => ::core::option::Option::None,));
    let find = (!arms.is_empty()).then(|| {
        quote! {
            #[inline]
            fn rpc(&self) -> ::core::option::Option<&#root::__private::Error> {
                use #root::__private::{self as __rpc, NoCause as _};
                match self {
                    #(#arms)*
                    #rest
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        #allow
        impl #impl_generics #root::__private::Cause for #ident #ty_generics #where_clause {
            #find
        }
    }
}

fn cause_arm(message: &Message, variant: &Variant) -> Option<TokenStream> {
    let Variant { ident, cfg, fields, .. } = variant;
    let [field] = fields.all() else { return None };
    let is_parameter = !spelling::uses_of(&message.type_parameters(), &field.ty).is_empty();
    if is_parameter || !spelling::may_be_error(&field.ty) {
        return None;
    }
    let pattern = match &field.ident {
        Some(name) => quote!(Self::#ident { #name: __field }),
        None => quote!(Self::#ident(__field)),
    };
    Some(quote!(#(#cfg)* #pattern => __rpc::Field(__field).__rpc(),))
}

/// The impls name what the user deprecated.
fn allow_deprecated(message: &Message) -> Option<TokenStream> {
    let is_deprecated =
        |attributes: &[Attribute]| attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let variants = match &message.item.data {
        syn::Data::Enum(data) => data.variants.iter().any(|variant| is_deprecated(&variant.attrs)),
        _ => false,
    };
    (variants || is_deprecated(&message.item.attrs)).then(|| quote!(#[allow(deprecated)]))
}

/// The item alone, so that a mistake in it is not followed by "cannot find type" wherever it is used.
pub(crate) fn stand_in(mut item: DeriveInput) -> TokenStream {
    struct Bare;
    impl VisitMut for Bare {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|attribute| !["serde", "rpc"].iter().any(|key| attribute.path().is_ident(key)));
            attributes.iter_mut().for_each(leave_out_serde);
        }
    }
    Bare.visit_derive_input_mut(&mut item);
    item.into_token_stream()
}

fn leave_out_serde(attribute: &mut Attribute) {
    if !attribute.path().is_ident("derive") {
        return;
    }
    let derived = attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated);
    let kept = derived.into_iter().flatten().filter(|path| {
        path.segments.last().is_none_or(|last| last.ident != "Serialize" && last.ident != "Deserialize")
    });
    *attribute = parse_quote!(#[derive(#(#kept),*)]);
}
