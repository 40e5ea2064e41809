//! Refuses what a compact encoding cannot carry, each at the tokens that ask for it.

use syn::{Data, Meta, Token, punctuated::Punctuated};

use super::attributes::Attributes;
use super::model::{Body, Field, Fields, Message};
use super::spelling;
use crate::errors::Errors;

pub(crate) fn message(errors: &mut Errors, message: &Message) {
    union(errors, message);
    derives(errors, message);
    attributes(errors, &message.attributes);
    for variant in message.variants() {
        attributes(errors, &variant.attributes);
        bytes_on_variant(errors, &variant.attributes);
        unnamed_cfg(errors, &variant.fields);
    }
    for field in message.fields() {
        attributes(errors, &field.attributes);
        bytes(errors, field);
        static_reference(errors, field);
    }
    bytes_on_variant(errors, &message.attributes);
    skipped_variants(errors, message);
    if let Body::Struct(fields) = &message.body {
        unnamed_cfg(errors, fields);
        skipped_newtype(errors, fields);
    }
}

/// serde keys that postcard cannot carry, or carries so that they are misread, and what to write instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "flatten",
        "`flatten` needs a format that writes field names: write the fields here, or leave out `flatten` \
         for a field of the inner type",
    ),
    ("tag", "`tag` needs a format that writes field names: leave it out, a variant is written as its number"),
    (
        "content",
        "`content` needs a format that writes field names: leave it out, a variant is written as its number",
    ),
    (
        "untagged",
        "`untagged` needs a format that shows types: leave it out, a variant is written as its number",
    ),
    (
        "skip_serializing_if",
        "a field that is sometimes not written shifts those behind it: leave `skip_serializing_if` out, \
         a `None` costs one byte",
    ),
    (
        "skip_serializing",
        "a field that is read but not written shifts those behind it: write `skip`, which does neither",
    ),
    (
        "skip_deserializing",
        "a field that is written but not read shifts those behind it: write `skip`, which does neither",
    ),
    (
        "other",
        "`other` needs a format that writes variant names: leave it out, an unknown variant is an error",
    ),
    (
        "remote",
        "`remote` describes another crate's type: write the message for a type of your own and convert, \
         or put `#[rpc(shape = ..)]` on the field that holds the other type",
    ),
    ("getter", "`getter` belongs to `remote`, which a message cannot be: write a type of your own"),
    ("field_identifier", "a message is not an identifier: leave `field_identifier` out"),
    ("variant_identifier", "a message is not an identifier: leave `variant_identifier` out"),
    ("crate", "`#[message]` sets serde's `crate`: write `#[message(crate = \"..\")]` to move the runtime"),
];

fn attributes(errors: &mut Errors, attributes: &Attributes) {
    for (key, instead) in REFUSED {
        // With `tag`, `content` is the second half of one mistake.
        if *key == "content" && attributes.has("tag") {
            continue;
        }
        if let Some(entry) = attributes.find(key) {
            errors.at(entry, instead);
        }
    }
    one_name(errors, attributes);
    custom(errors, attributes);
}

/// The shape holds one name for both directions.
fn one_name(errors: &mut Errors, attributes: &Attributes) {
    for key in ["rename", "rename_all", "rename_all_fields"] {
        if let Some(entry @ Meta::List(_)) = attributes.find(key) {
            errors.at(
                entry,
                format_args!("a message has one name for both directions: write `{key} = \"..\"`"),
            );
        }
    }
}

/// What the user's own code writes, only the user knows.
fn custom(errors: &mut Errors, attributes: &Attributes) {
    let Some(entry) = attributes.custom().filter(|_| attributes.declared.is_none()) else { return };
    let key = entry.path().get_ident().map(ToString::to_string).unwrap_or_default();
    errors.at(
        entry,
        format_args!(
            "the contract cannot see what `{key}` writes: add `#[rpc(shape = T)]` with the type it travels \
             as, or a name for its form, `#[rpc(opaque = \"name 1\")]`"
        ),
    );
}

/// Mixing of `bytes` with what already decides the field's form.
fn bytes(errors: &mut Errors, field: &Field) {
    let Some(bytes) = field.attributes.bytes.as_ref().filter(|bytes| bytes.wanted) else { return };
    if field.attributes.custom().is_some() || field.attributes.declared.is_some() || field.attributes.skips()
    {
        errors.at(&bytes.key, "the field's form is already decided by another attribute: leave `bytes` out");
    }
}

/// `bytes` says how one field is written.
fn bytes_on_variant(errors: &mut Errors, attributes: &Attributes) {
    if let Some(bytes) = &attributes.bytes {
        errors.at(&bytes.key, "`bytes` stands on a field");
    }
}

/// A union does not know which of its fields is there.
fn union(errors: &mut Errors, message: &Message) {
    if let Data::Union(data) = &message.item.data {
        errors.at(data.union_token, "a union does not know what it holds: write an enum");
    }
}

/// `#[message]` derives both halves of serde; a second derive is a second impl.
fn derives(errors: &mut Errors, message: &Message) {
    for attribute in message.item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let derived = attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated);
        for path in derived.into_iter().flatten() {
            let Some(name) = path.segments.last().map(|segment| &segment.ident) else { continue };
            if name == "Serialize" || name == "Deserialize" {
                errors.at(&path, format_args!("leave out `{name}`: `#[message]` derives it"));
            }
        }
    }
}

/// serde's writer counts skipped variants and its reader does not, so only the last ones can be skipped:
/// with `skip` on a first variant the same build reads `A` as `B`.
fn skipped_variants(errors: &mut Errors, message: &Message) {
    let variants = message.variants();
    let last = variants.iter().rposition(|variant| !variant.attributes.skips());
    for variant in &variants[..last.unwrap_or_default()] {
        if let Some(entry) = variant.attributes.find("skip") {
            errors.at(
                entry,
                "a skipped variant changes how the variants behind it are read: move it to the end",
            );
        }
    }
}

/// serde writes the only unnamed field of a struct even when it is skipped, and does not read it.
fn skipped_newtype(errors: &mut Errors, fields: &Fields) {
    let Fields::Unnamed(fields) = fields else { return };
    let [field] = fields.as_slice() else { return };
    if let Some(entry) = field.attributes.find("skip") {
        errors.at(entry, "serde writes the only unnamed field although it is skipped: give the field a name");
    }
}

/// Without its second field a tuple struct is a newtype, which is written differently.
fn unnamed_cfg(errors: &mut Errors, fields: &Fields) {
    let Fields::Unnamed(fields) = fields else { return };
    for cfg in fields.iter().flat_map(|field| &field.cfg) {
        errors.at(cfg, "a `cfg` on an unnamed field changes the form of the others: give the fields names");
    }
}

/// What is read borrows from a frame, and no frame lives forever.
fn static_reference(errors: &mut Errors, field: &Field) {
    if field.attributes.skips() || field.attributes.custom().is_some() {
        return;
    }
    if let Some(reference) = spelling::static_reference(&field.ty) {
        errors.at(
            reference,
            "what is received does not live forever: write an owned type, or borrow from the frame with a \
             lifetime parameter, `&'a str`",
        );
    }
}
