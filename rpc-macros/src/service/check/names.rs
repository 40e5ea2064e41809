//! Names: those a client has already, those that would mean two things, those the wire cannot carry.

use std::collections::{HashMap, HashSet};

use proc_macro2::Ident;
use syn::LitStr;
use syn::ext::IdentExt;

use crate::errors::Errors;
use crate::service::model::{Method, Service};

pub(super) fn service(errors: &mut Errors, service: &Service) {
    not_the_expansions(errors, &service.name);
    legal_on_the_wire(errors, &service.wire_name);
    // Methods under a `cfg` may be alternatives of each other: rustc compares what is left of them, in a
    // `const` of the expansion.
    let always = service.methods.iter().filter(|method| method.attributes.conditions.is_empty());
    all_different(errors, "method", always.map(|method| (&method.name, &method.wire_name)));
}

pub(super) fn method(errors: &mut Errors, method: &Method) {
    not_reserved(errors, &method.name);
    legal_on_the_wire(errors, &method.wire_name);
    for argument in &method.arguments {
        legal_on_the_wire(errors, &argument.wire_name);
    }
    all_different(
        errors,
        "argument",
        method.arguments.iter().map(|argument| (&argument.name, &argument.wire_name)),
    );
}

/// A client has methods of its own beside those of the service. The list is closed for good: what
/// clients learn later never changes what a service's method means.
fn not_reserved(errors: &mut Errors, name: &Ident) {
    let text = name.unraw().to_string();
    let reason = match text.as_str() {
        "fetch" | "with" | "pipeline" => "every client has one, from `rpc_runtime::Client`",
        "clone" | "to_owned" => "every client has one, from `Clone`",
        "into" | "try_into" => "every type has one",
        _ if text.starts_with("__") => "names that begin with `__` belong to the expansion",
        _ => return,
    };
    errors.at(
        name,
        format_args!(
            "a method cannot be called `{text}` ({reason}): choose another name; `#[rpc(rename = \"{text}\")]` \
             keeps this one on the wire"
        ),
    );
}

/// A service of such a name could be mistaken for something that is generated for it.
fn not_the_expansions(errors: &mut Errors, name: &Ident) {
    if name.unraw().to_string().starts_with("__") {
        errors.at(
            name,
            format_args!(
                "a service cannot be called `{name}` (names that begin with `__` belong to the expansion): choose \
                 another name; `#[service(rename = \"{name}\")]` keeps this one on the wire"
            ),
        );
    }
}

/// A name on the wire is hashed as part of `Service/method`, logged, and a segment of a URL.
fn legal_on_the_wire(errors: &mut Errors, name: &LitStr) {
    let legal = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let text = name.value();
    if text.is_empty() || !text.chars().all(legal) {
        errors.at(name, "a name on the wire is not empty and made of letters, digits, `_`, `-` and `.`");
    }
}

/// One name is one meaning, in Rust and on the wire.
fn all_different<'m>(errors: &mut Errors, kind: &str, names: impl Iterator<Item = (&'m Ident, &'m LitStr)>) {
    let mut in_rust = HashSet::new();
    let mut on_the_wire = HashMap::new();
    for (name, wire_name) in names {
        if !in_rust.insert(name.unraw()) {
            errors
                .at(name, format_args!("the {kind} `{name}` is there twice: give one of them another name"));
        } else if let Some(first) = on_the_wire.insert(wire_name.value(), name) {
            errors.at(
                wire_name,
                format_args!(
                    "the {kind} `{first}` is called so on the wire already: name one of them otherwise"
                ),
            );
        }
    }
}
