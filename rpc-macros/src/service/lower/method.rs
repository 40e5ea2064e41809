//! One method of the trait.

use proc_macro2::{Ident, Span};
use quote::{format_ident, quote};
use syn::{
    FnArg, GenericParam, Generics, Pat, PatType, Receiver, ReceiverKind, ReturnType, Safety, Signature,
    Token, TraitItemFn, Type, parse_quote,
};

use super::{attributes, deadline, head, lifetimes, parts, wire_name};
use crate::errors::Errors;
use crate::service::model::{Argument, Method};

pub(super) fn lower(errors: &mut Errors, item: TraitItemFn, local: bool) -> Method {
    let (attributes, words) = attributes::of_method(errors, item.attrs);
    let signature = item.sig;
    qualifiers(errors, &signature);
    let declared = generics(errors, &signature.generics);
    let arguments = arguments(errors, &signature, &declared, local);
    let output = output(errors, &signature, &declared);
    if let Some(body) = item.default {
        errors.at_span(
            body.brace_token.span.open(),
            "end the method with `;`: its body stands in the implementation of the service",
        );
    }
    Method {
        attributes,
        wire_name: wire_name(&words, &signature.ident),
        idempotent: words.flag("idempotent").is_some(),
        deadline: words.text("deadline").and_then(|text| deadline::parse(errors, text)),
        spawn: words.flag("spawn").cloned(),
        keyword: Token![fn](signature.asyncness.map_or(signature.fn_token.span, |token| token.span)),
        parentheses: Span::call_site().located_at(signature.paren_token.span.join()),
        arguments,
        parts: parts::of_output(&output),
        output,
        name: signature.ident,
    }
}

/// A call can always wait, and is made from safe Rust at run time.
fn qualifiers(errors: &mut Errors, signature: &Signature) {
    if let Some(token) = signature.constness {
        errors.at(token, "leave out `const`: a call happens at run time");
    }
    if signature.asyncness.is_none() {
        errors.at(
            head(signature.fn_token, &signature.ident),
            format_args!("write `async fn {}`: the callee may have to wait, or be far away", signature.ident),
        );
    }
    if let Safety::Unsafe(token) = signature.safety {
        errors.at(token, "leave out `unsafe`: a caller cannot see which implementation it reaches");
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "leave out the ABI: only Rust calls the methods of a service");
    }
}

/// Both sides must know what travels, so a method has no parameters; and a borrow lives as long as its
/// call, so a lifetime needs no name. Returns the names declared all the same, which are then read as
/// if they had been left out: they are reported once, here.
fn generics(errors: &mut Errors, generics: &Generics) -> Vec<Ident> {
    let (lifetimes, types): (Vec<_>, Vec<_>) =
        generics.params.iter().partition(|parameter| matches!(parameter, GenericParam::Lifetime(_)));
    if !lifetimes.is_empty() {
        errors.at(
            quote! { #(#lifetimes),* },
            "leave out the lifetime: a borrowed argument lives as long as its call; write `&str`, `Query<'_>`",
        );
    }
    if !types.is_empty() {
        errors.at(
            quote! { #(#types),* },
            "a method has no type parameters, both sides must know what travels: name the type",
        );
    }
    if let Some(clause) = &generics.where_clause {
        errors.at(clause, "a method has no `where` clause: name types that need none");
    }
    let name = |parameter: &GenericParam| match parameter {
        GenericParam::Lifetime(parameter) => Some(parameter.lifetime.ident.clone()),
        _ => None,
    };
    generics.params.iter().filter_map(name).collect()
}

fn arguments(errors: &mut Errors, signature: &Signature, declared: &[Ident], local: bool) -> Vec<Argument> {
    if signature.receiver().is_none() {
        errors.at(
            &signature.ident,
            "add `&self` as the first argument: a call arrives at a Worker (constructors stand in its `impl`)",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.at(variadic, "a method takes a fixed number of arguments: pass a slice, `&[T]`");
    }
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(input) => receiver(errors, input, declared, local),
            FnArg::Typed(input) => arguments.push(argument(errors, input, declared)),
        }
    }
    arguments
}

/// `&self` and nothing else: many calls share one Worker at the same time, and it outlives them all.
fn receiver(errors: &mut Errors, receiver: &Receiver, declared: &[Ident], local: bool) {
    for attribute in &receiver.attrs {
        errors.at(attribute, "`&self` takes no attributes: put it on the method");
    }
    match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => {}
        ReceiverKind::Reference(_, Some(name), None) if declared.contains(&name.ident) => {}
        ReceiverKind::Reference(_, _, Some(_)) => {
            let cell = if local { "a `Cell` or `RefCell`" } else { "a `Mutex` or an atomic" };
            errors.at(
                receiver,
                format_args!("write `&self`: calls run side by side; state that changes lives in {cell}"),
            );
        }
        ReceiverKind::Reference(_, Some(_), None) => {
            errors.at(receiver, "write `&self`: the Worker is borrowed for the call, which needs no name");
        }
        _ => errors.at(receiver, "write `&self`: the Worker serves other calls too, none can take it away"),
    }
}

/// An argument has a plain name: the name is part of the contract.
fn argument(errors: &mut Errors, input: &PatType, declared: &[Ident]) -> Argument {
    let words = attributes::of_argument(errors, &input.attrs);
    let name = match &*input.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            if let Some(token) = pattern.mutability {
                errors.at(token, "leave out `mut`: the implementation decides whether it changes its copy");
            }
            pattern.ident.clone()
        }
        Pat::Wild(pattern) => {
            errors.at(pattern, "name the argument: its name is part of the contract");
            unnamed()
        }
        pattern => {
            errors.at(pattern, "write a plain name: the implementation takes the value apart");
            unnamed()
        }
    };
    let mut ty = (*input.ty).clone();
    lifetimes::forget(&mut ty, declared);
    let carried = carried(&ty);
    Argument {
        wire_name: wire_name(&words, &name),
        default: words.flag("default").is_some(),
        described: lifetimes::described(&ty),
        parts: parts::of(&carried),
        carried,
        lent: lent(&ty),
        ty,
        name,
    }
}

/// The type without the `&` that it is lent through, under whatever parentheses and groups of a macro.
fn carried(ty: &Type) -> Type {
    match ty {
        Type::Reference(reference) => lifetimes::erased(&reference.elem),
        Type::Paren(inner) => carried(&inner.elem),
        Type::Group(inner) => carried(&inner.elem),
        owned => lifetimes::erased(owned),
    }
}

/// What is lent after it was read. A `str` or `[u8]` under another name is lent too, from a copy.
fn lent(ty: &Type) -> Option<Type> {
    match ty {
        Type::Reference(reference) => {
            (!lies_in_frame(&reference.elem)).then(|| lifetimes::described(&reference.elem))
        }
        Type::Paren(inner) => lent(&inner.elem),
        Type::Group(inner) => lent(&inner.elem),
        _ => None,
    }
}

/// Whether the type is spelled `str` or `[u8]`, whose bytes are the same on the wire and in memory.
pub(super) fn lies_in_frame(ty: &Type) -> bool {
    let is = |ty: &Type, name: &str| matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(name));
    match ty {
        Type::Paren(inner) => lies_in_frame(&inner.elem),
        Type::Group(inner) => lies_in_frame(&inner.elem),
        Type::Slice(slice) => is(&slice.elem, "u8"),
        ty => is(ty, "str"),
    }
}

/// Stands in for the name of a refused argument.
fn unnamed() -> Ident {
    format_ident!("unnamed")
}

fn output(errors: &mut Errors, signature: &Signature, declared: &[Ident]) -> Type {
    match &signature.output {
        // `fn f(&self) -> impl Future<Output = T>` lacks the `async` that was reported, nothing else.
        ReturnType::Type(_, ty) if signature.asyncness.is_none() && matches!(**ty, Type::ImplTrait(_)) => {
            parse_quote!(())
        }
        ReturnType::Type(_, ty) => {
            let mut ty = (**ty).clone();
            lifetimes::forget(&mut ty, declared);
            ty
        }
        ReturnType::Default => {
            errors.at_span(
                signature.paren_token.span.close(),
                "a call can always fail: add `-> rpc_runtime::Result<()>`, or a `Result` with an error of \
                 your own that is `From<rpc_runtime::Error>`",
            );
            parse_quote!(())
        }
    }
}
