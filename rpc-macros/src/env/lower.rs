//! From the struct to the model, with every rule on the way.

use std::collections::BTreeMap;

use syn::{Attribute, Data, DeriveInput, Fields, Ident, Path, ext::IdentExt, parse_quote};

use super::model::{Env, Field};
use crate::{
    errors::Errors,
    words::{Known, Vocabulary, Words},
};

pub(super) fn env(errors: &mut Errors, item: DeriveInput) -> Env {
    let DeriveInput { attrs, ident: name, generics, data, .. } = item;
    let said = words(errors, &ON_STRUCT, &attrs);
    let runtime = said.text("crate").map(|path| path.parse().unwrap_or_else(|error| fallback(errors, error)));
    let runtime = runtime.unwrap_or_else(|| parse_quote!(::rpc_runtime));
    refuse_borrowing(errors, &generics);
    let fields = fields(errors, &name, data);
    refuse_twins(errors, &fields);
    Env { name, generics, runtime, fields }
}

/// A field that the host fills in has a name, which is the name of its binding.
fn fields(errors: &mut Errors, name: &Ident, data: Data) -> Vec<Field> {
    let fields = match data {
        Data::Struct(data) => data.fields,
        Data::Enum(data) => {
            errors.at(
                data.enum_token,
                "an `Env` is a struct: each of its fields is a binding, a variable or a secret",
            );
            return Vec::new();
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "an `Env` is a struct: each of its fields is a binding, a variable or a secret",
            );
            return Vec::new();
        }
    };
    match fields {
        Fields::Named(fields) => {
            fields.named.into_iter().filter_map(|field| lower_field(errors, field)).collect()
        }
        Fields::Unit => Vec::new(),
        Fields::Unnamed(fields) => {
            let message =
                format!("name the fields: `struct {name} {{ auth: AuthClient }}` takes the binding `AUTH`");
            errors.at(fields, message);
            Vec::new()
        }
    }
}

fn lower_field(errors: &mut Errors, field: syn::Field) -> Option<Field> {
    let name = field.ident?;
    let said = words(errors, &ON_FIELD, &field.attrs);
    let binding = match said.text("name") {
        Some(given) => {
            if !is_binding(&given.value()) {
                errors.at(given, NOT_A_BINDING);
            }
            given.value()
        }
        None => name.unraw().to_string().to_uppercase(),
    };
    let entrypoint = said.text("entrypoint").map(|given| given.value());
    Some(Field { name, ty: field.ty, binding, secret: said.flag("secret").is_some(), entrypoint })
}

static ON_STRUCT: Vocabulary = Vocabulary {
    place: "`#[env(..)]` on a struct",
    words: &[Known::Text("crate", "::rpc_runtime")],
    elsewhere: &[("name", "a field"), ("secret", "a field"), ("entrypoint", "a field")],
};

static ON_FIELD: Vocabulary = Vocabulary {
    place: "`#[env(..)]` on a field",
    words: &[Known::Flag("secret"), Known::Text("name", "AUTH"), Known::Text("entrypoint", "Admin")],
    elsewhere: &[("crate", "the struct")],
};

/// What every `#[env(..)]` says together.
fn words(errors: &mut Errors, vocabulary: &'static Vocabulary, attributes: &[Attribute]) -> Words {
    let mut words = Words::new(vocabulary);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("env")) {
        words.read_attribute(errors, attribute);
    }
    words
}

/// Stands in for a path that is none; nothing is expanded after an error.
fn fallback(errors: &mut Errors, error: syn::Error) -> Path {
    errors.push(error);
    parse_quote!(::rpc_runtime)
}

const NOT_A_BINDING: &str = "the name of a binding begins with a letter or `_` and goes on with letters, digits and `_`, such as `AUTH`";

fn is_binding(name: &str) -> bool {
    let begins = |first: u8| first.is_ascii_alphabetic() || first == b'_';
    name.bytes().next().is_some_and(begins)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// An `Env` is made by the host and lives as long as the Worker: it has nothing to borrow from.
fn refuse_borrowing(errors: &mut Errors, generics: &syn::Generics) {
    for lifetime in generics.lifetimes() {
        errors.at(
            lifetime,
            "an `Env` owns what it holds: write `String` for `&str`, and leave the lifetime out",
        );
    }
}

/// Two fields of one binding would be two clients of one target: the second is a clone of the first.
fn refuse_twins(errors: &mut Errors, fields: &[Field]) {
    let mut seen = BTreeMap::new();
    for field in fields {
        if let Some(first) = seen.insert(&field.binding, &field.name) {
            let message = format!(
                "`{first}` is the binding `{}` already: clone it, or name another with `#[env(name = \"..\")]`",
                field.binding
            );
            errors.at(&field.name, message);
        }
    }
}
