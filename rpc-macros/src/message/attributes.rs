//! Reads `#[serde(..)]` and `#[rpc(..)]`.

use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitBool, LitStr, Meta, Path, Token, Type};

use crate::errors::Errors;

/// The attributes of a type, a variant or a field that decide its form on the wire.
#[derive(Default)]
pub(crate) struct Attributes {
    /// The entries of every `#[serde(..)]`: `skip`, `rename = "id"`.
    serde: Vec<Meta>,
    /// `#[rpc(shape = T)]`, `#[rpc(opaque = "..")]`.
    pub(crate) declared: Option<Declared>,
    /// `#[rpc(bytes)]`, `#[rpc(bytes = false)]`.
    pub(crate) bytes: Option<Bytes>,
}

/// The form that the user vouches for.
pub(crate) enum Declared {
    As(Box<Type>),
    Opaque(LitStr),
}

pub(crate) struct Bytes {
    pub(crate) key: Path,
    pub(crate) wanted: bool,
}

impl Attributes {
    /// Reads the attributes and takes out `#[rpc(..)]`, which no derive knows.
    pub(crate) fn take(errors: &mut Errors, attributes: &mut Vec<Attribute>) -> Self {
        let mut read = Self::default();
        attributes.retain(|attribute| {
            let path = attribute.path();
            if path.is_ident("serde") {
                read.serde(errors, attribute);
            } else if path.is_ident("rpc") {
                let parsed = attribute.parse_nested_meta(|entry| read.rpc(&entry));
                parsed.unwrap_or_else(|error| errors.push(error));
            } else if path.is_ident("cfg_attr") {
                refuse_hidden(errors, attribute);
            }
            !path.is_ident("rpc")
        });
        read
    }

    fn serde(&mut self, errors: &mut Errors, attribute: &Attribute) {
        match attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
            Ok(entries) => self.serde.extend(entries),
            Err(error) => errors.push(error),
        }
    }

    fn rpc(&mut self, entry: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if entry.path.is_ident("shape") {
            self.declare(entry, Declared::As(entry.value()?.parse()?))
        } else if entry.path.is_ident("opaque") {
            self.declare(entry, Declared::Opaque(entry.value()?.parse()?))
        } else if entry.path.is_ident("bytes") {
            let wanted = !entry.input.peek(Token![=]) || entry.value()?.parse::<LitBool>()?.value;
            self.bytes = Some(Bytes { key: entry.path.clone(), wanted });
            Ok(())
        } else {
            Err(entry.error("expected `shape = Type`, `opaque = \"name\"` or `bytes`"))
        }
    }

    fn declare(&mut self, entry: &ParseNestedMeta<'_>, declared: Declared) -> syn::Result<()> {
        match self.declared.replace(declared) {
            None => Ok(()),
            Some(_) => Err(entry.error("one form is enough: leave out `shape` or `opaque`")),
        }
    }

    /// The entry of a serde key.
    pub(crate) fn find(&self, key: &str) -> Option<&Meta> {
        self.serde.iter().find(|entry| entry.path().is_ident(key))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The text of `key = "text"`.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let Meta::NameValue(entry) = self.find(key)? else { return None };
        let mut value = &entry.value;
        // A literal that a `macro_rules!` hands on is in an invisible group.
        while let Expr::Group(group) = value {
            value = &group.expr;
        }
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else { return None };
        Some(text.value())
    }

    pub(crate) fn skips(&self) -> bool {
        self.has("skip")
    }

    /// The first entry that hands the writing or the reading to the user's own code.
    pub(crate) fn custom(&self) -> Option<&Meta> {
        let keys = ["with", "serialize_with", "deserialize_with", "from", "try_from", "into"];
        self.serde.iter().find(|entry| keys.iter().any(|key| entry.path().is_ident(key)))
    }
}

/// A condition around an attribute of ours or serde's would make the shape depend on what is not seen here.
fn refuse_hidden(errors: &mut Errors, attribute: &Attribute) {
    let Meta::List(list) = &attribute.meta else { return };
    let entries = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    for entry in entries.into_iter().flatten().skip(1) {
        if entry.path().is_ident("serde") || entry.path().is_ident("rpc") {
            errors.at(
                entry,
                "the form on the wire cannot depend on a `cfg_attr`: write the attribute without it, \
                 or two items under `#[cfg(..)]`",
            );
        }
    }
}
