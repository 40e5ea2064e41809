//! From the item to the model: takes out what is ours, adds the marks that serde needs.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Ident, LitStr, Path, parse_quote};

use super::attributes::Attributes;
use super::model::{Body, Field, Fields, Message, Variant};
use super::rename::Case;
use super::spelling;
use crate::errors::Errors;

pub(crate) fn message(errors: &mut Errors, args: TokenStream, mut item: DeriveInput) -> Message {
    let root = root(errors, args);
    let attributes = Attributes::take(errors, &mut item.attrs);
    let lends = item.generics.lifetimes().next().is_some();
    let mut lower = Lower { errors, root: &root, lends };
    let body = match &mut item.data {
        Data::Struct(data) => {
            let case = Case::named(attributes.text("rename_all").as_deref());
            Body::Struct(lower.fields(&mut data.fields, case, false))
        }
        Data::Enum(data) => {
            let variants = data.variants.iter_mut();
            Body::Enum(variants.map(|variant| lower.variant(variant, &attributes)).collect())
        }
        Data::Union(_) => Body::Union,
    };
    Message { item, root, attributes, body }
}

/// `#[message(crate = "path")]`.
fn root(errors: &mut Errors, args: TokenStream) -> Path {
    let mut root = parse_quote!(::rpc_runtime);
    let parser = syn::meta::parser(|entry| {
        if !entry.path.is_ident("crate") {
            return Err(entry.error("expected `crate = \"path\"`"));
        }
        root = entry.value()?.parse::<LitStr>()?.parse_with(Path::parse_mod_style)?;
        Ok(())
    });
    parser.parse2(args).unwrap_or_else(|error| errors.push(error));
    root
}

struct Lower<'a> {
    errors: &'a mut Errors,
    root: &'a Path,
    /// Whether the type has a lifetime that a field could borrow for.
    lends: bool,
}

impl Lower<'_> {
    fn variant(&mut self, variant: &mut syn::Variant, container: &Attributes) -> Variant {
        let attributes = Attributes::take(self.errors, &mut variant.attrs);
        let case = Case::named(container.text("rename_all").as_deref());
        let fields_rule = attributes.text("rename_all").or_else(|| container.text("rename_all_fields"));
        let fields = self.fields(
            &mut variant.fields,
            Case::named(fields_rule.as_deref()),
            attributes.has("borrow") || attributes.skips(),
        );
        Variant {
            wire_name: wire_name(&attributes, &variant.ident, |name| case.variant(name)),
            ident: variant.ident.clone(),
            cfg: cfg(&variant.attrs),
            attributes,
            fields,
        }
    }

    /// `settled`: the variant says itself what its field borrows, or is not read at all.
    fn fields(&mut self, fields: &mut syn::Fields, case: Case, settled: bool) -> Fields {
        let mut lowered = Vec::new();
        for field in fields.iter_mut() {
            lowered.push(self.field(field, case, settled));
        }
        match fields {
            syn::Fields::Named(_) => Fields::Named(lowered),
            syn::Fields::Unnamed(_) => Fields::Unnamed(lowered),
            syn::Fields::Unit => Fields::Unit,
        }
    }

    fn field(&mut self, field: &mut syn::Field, case: Case, settled: bool) -> Field {
        let attributes = Attributes::take(self.errors, &mut field.attrs);
        if !settled && !attributes.skips() {
            self.mark_borrow(field, &attributes);
            self.mark_run(field, &attributes);
        }
        let name = |ident: &Ident| wire_name(&attributes, ident, |name| case.field(name));
        Field {
            wire_name: field.ident.as_ref().map(name).unwrap_or_default(),
            ident: field.ident.clone(),
            ty: field.ty.clone(),
            cfg: cfg(&field.attrs),
            attributes,
        }
    }

    /// serde borrows `&str` and `&[u8]` by itself and wants to be told about every other lifetime.
    fn mark_borrow(&self, field: &mut syn::Field, attributes: &Attributes) {
        let borrows =
            self.lends && spelling::has_lifetime(&field.ty) && !spelling::borrows_by_itself(&field.ty);
        if borrows && !attributes.has("borrow") {
            field.attrs.push(parse_quote!(#[serde(borrow)]));
        }
    }

    /// Writes and reads a run of bytes in one piece, with the same bytes in postcard.
    fn mark_run(&self, field: &mut syn::Field, attributes: &Attributes) {
        let wanted = attributes.bytes.as_ref().map_or_else(
            || attributes.declared.is_none() && spelling::is_run(&field.ty),
            |bytes| bytes.wanted,
        );
        if !wanted || attributes.custom().is_some() {
            return;
        }
        let module = format!("{}::__private::run", path_text(self.root));
        let module = LitStr::new(&module, field.ty.span());
        field.attrs.push(parse_quote!(#[serde(with = #module)]));
        // serde takes an absent field for `None` only where it reads the option itself.
        if spelling::is_option(&field.ty) && !attributes.has("default") {
            field.attrs.push(parse_quote!(#[serde(default)]));
        }
    }
}

/// The name that `rename` gives, or else the rule.
fn wire_name(attributes: &Attributes, ident: &Ident, rule: impl Fn(&str) -> String) -> String {
    attributes.text("rename").unwrap_or_else(|| rule(&ident.unraw().to_string()))
}

fn cfg(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// A path as the text of a serde attribute: `::rpc_runtime`.
pub(crate) fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}
