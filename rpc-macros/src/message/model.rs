//! What the expansion says about a type, in our words.

use syn::{Attribute, DeriveInput, Ident, Path, Type};

use super::attributes::Attributes;

/// A type that calls carry.
pub(crate) struct Message {
    /// What the user wrote, without `#[rpc]`, with the marks that serde needs.
    pub(crate) item: DeriveInput,
    /// Where the runtime is.
    pub(crate) root: Path,
    pub(crate) attributes: Attributes,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Struct(Fields),
    Enum(Vec<Variant>),
    /// Refused by the checks.
    Union,
}

pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) wire_name: String,
    /// `cfg` attributes, which the tables repeat.
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) attributes: Attributes,
    pub(crate) fields: Fields,
}

pub(crate) enum Fields {
    Unit,
    Unnamed(Vec<Field>),
    Named(Vec<Field>),
}

pub(crate) struct Field {
    pub(crate) ident: Option<Ident>,
    /// Empty without an ident.
    pub(crate) wire_name: String,
    pub(crate) ty: Type,
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) attributes: Attributes,
}

/// What is written for a struct or a variant: skipped fields are gone, serde's special cases decided.
pub(crate) enum Form<'a> {
    Unit,
    Newtype(&'a Field),
    Tuple(Vec<&'a Field>),
    Named(Vec<&'a Field>),
}

impl Message {
    /// Every field, in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        let (fields, variants): (_, &[Variant]) = match &self.body {
            Body::Struct(fields) => (fields.all(), &[]),
            Body::Enum(variants) => (&[][..], variants),
            Body::Union => (&[][..], &[]),
        };
        fields.iter().chain(variants.iter().flat_map(|variant| variant.fields.all()))
    }

    /// The fields whose own `Serialize` and `Deserialize` are used, each with the `cfg`s of its variant.
    pub(crate) fn read_by_serde(&self) -> Vec<(&[Attribute], &Field)> {
        let by_serde = |attributes: &Attributes| {
            attributes.custom().is_none() && attributes.declared.is_none() && !attributes.skips()
        };
        let fields: Vec<_> = match &self.body {
            _ if !by_serde(&self.attributes) => Vec::new(),
            Body::Struct(fields) => fields.all().iter().map(|field| (&[][..], field)).collect(),
            Body::Enum(variants) => {
                let variants = variants.iter().filter(|variant| by_serde(&variant.attributes));
                variants
                    .flat_map(|variant| variant.fields.all().iter().map(|field| (&*variant.cfg, field)))
                    .collect()
            }
            Body::Union => Vec::new(),
        };
        fields.into_iter().filter(|(_, field)| by_serde(&field.attributes)).collect()
    }

    pub(crate) fn type_parameters(&self) -> Vec<&Ident> {
        self.item.generics.type_params().map(|parameter| &parameter.ident).collect()
    }

    pub(crate) fn variants(&self) -> &[Variant] {
        match &self.body {
            Body::Enum(variants) => variants,
            Body::Struct(_) | Body::Union => &[],
        }
    }
}

impl Fields {
    pub(crate) fn all(&self) -> &[Field] {
        match self {
            Self::Unit => &[],
            Self::Unnamed(fields) | Self::Named(fields) => fields,
        }
    }

    /// The fields that travel.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Field> {
        self.all().iter().filter(|field| !field.attributes.skips())
    }

    /// How serde writes them: a single unnamed field has no length around it, and none at all if it is
    /// skipped.
    pub(crate) fn form(&self) -> Form<'_> {
        let mut written = self.written();
        match self {
            Self::Unit => Form::Unit,
            Self::Unnamed(fields) if fields.len() == 1 => written.next().map_or(Form::Unit, Form::Newtype),
            Self::Unnamed(_) => Form::Tuple(written.collect()),
            Self::Named(_) => Form::Named(written.collect()),
        }
    }
}
