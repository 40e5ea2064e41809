//! What can be told from how a type is spelled, in the way serde's derive tells it.

use crate::spelled::is_known;
use syn::visit::{self, Visit};
use syn::{GenericArgument, Ident, Lifetime, PathArguments, PathSegment, Type, TypePath, TypeReference};

/// Whether a type is spelled like a run of bytes: `Vec<u8>`, `&[u8]`, `Box<[u8]>`, `Cow<'_, [u8]>`, `Bytes`,
/// `BytesMut`, and `Option` or `Vec` of these.
///
/// Not `Option<&[u8]>`: what serde's derive makes of a `with` on it is refused by `clippy::pedantic`
/// (`ref_option_ref`) in the user's crate, where nothing can silence it.
pub(crate) fn is_run(ty: &Type) -> bool {
    match ungroup(ty) {
        Type::Reference(reference) => is_byte_slice(&reference.elem),
        ty => last_segment(ty).is_some_and(|segment| {
            let of = |inner: fn(&Type) -> bool| only_type_argument(segment).is_some_and(inner);
            match segment.ident.to_string().as_str() {
                "Bytes" | "BytesMut" => segment.arguments.is_none(),
                "Vec" => of(|ty| is_named(ty, "u8")) || of(is_run),
                "Box" => of(is_byte_slice),
                // Read as a run it borrows, which a `'static` one cannot.
                "Cow" => of(is_byte_slice) && has_lifetime(ty),
                "Option" => of(|ty| is_run(ty) && !matches!(ungroup(ty), Type::Reference(_))),
                _ => false,
            }
        }),
    }
}

pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "Option")
}

pub(crate) fn is_phantom(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "PhantomData")
}

/// Whether serde borrows a field by itself: `&str`, `&[u8]`, and `Option` of these.
pub(crate) fn borrows_by_itself(ty: &Type) -> bool {
    let is_lent = |ty: &Type| match ungroup(ty) {
        Type::Reference(reference) => is_named(&reference.elem, "str") || is_byte_slice(&reference.elem),
        _ => false,
    };
    let is_option_of_lent = || {
        last_segment(ty)
            .filter(|segment| segment.ident == "Option")
            .and_then(only_type_argument)
            .is_some_and(is_lent)
    };
    is_lent(ty) || is_option_of_lent()
}

/// The types that a field is carried by: the `User` of `Vec<Option<User>>`, the `Page<User>` of `Option<Page<User>>`,
/// nothing of what is known to be carried.
pub(crate) fn innermost(ty: &Type) -> Vec<&Type> {
    const CONTAINERS: &[&str] = &["Arc", "Box", "Option", "Rc", "Vec", "VecDeque"];
    match ungroup(ty) {
        Type::Slice(slice) => innermost(&slice.elem),
        Type::Array(array) => innermost(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter().flat_map(innermost).collect(),
        Type::Path(path) => match last_segment(ty) {
            Some(segment) if CONTAINERS.iter().any(|name| segment.ident == name) => {
                only_type_argument(segment).map(innermost).unwrap_or_default()
            }
            Some(segment) if segment.ident == "Self" || is_known(path) => Vec::new(),
            _ => vec![ty],
        },
        _ => Vec::new(),
    }
}

/// Whether a type names a lifetime other than `'static`.
pub(crate) fn has_lifetime(ty: &Type) -> bool {
    struct Found(bool);
    impl Visit<'_> for Found {
        fn visit_lifetime(&mut self, lifetime: &Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
    }
    let mut found = Found(false);
    found.visit_type(ty);
    found.0
}

/// The first `&'static` in a type.
pub(crate) fn static_reference(ty: &Type) -> Option<&TypeReference> {
    struct Found<'a>(Option<&'a TypeReference>);
    impl<'a> Visit<'a> for Found<'a> {
        fn visit_type_reference(&mut self, reference: &'a TypeReference) {
            let is_static = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
            if is_static {
                self.0.get_or_insert(reference);
            }
            visit::visit_type_reference(self, reference);
        }
    }
    let mut found = Found(None);
    found.visit_type(ty);
    found.0
}

/// The type parameters in a type, and the paths that start at one, such as `T::Item`.
pub(crate) fn uses_of(parameters: &[&Ident], ty: &Type) -> Vec<syn::Path> {
    struct Found<'a> {
        parameters: &'a [&'a Ident],
        paths: Vec<syn::Path>,
    }
    impl Visit<'_> for Found<'_> {
        fn visit_type_path(&mut self, ty: &TypePath) {
            let first = ty.path.segments.first().map(|segment| &segment.ident);
            if ty.qself.is_none() && first.is_some_and(|first| self.parameters.contains(&first)) {
                self.paths.push(ty.path.clone());
            }
            if !is_phantom(&Type::Path(ty.clone())) {
                visit::visit_type_path(self, ty);
            }
        }
    }
    let mut found = Found { parameters, paths: Vec::new() };
    found.visit_type(ty);
    found.paths
}

/// Whether a type could be an error by its spelling: a path without arguments that is no primitive.
pub(crate) fn may_be_error(ty: &Type) -> bool {
    const NEVER: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32",
        "u64", "u128", "usize", "String",
    ];
    last_segment(ty).is_some_and(|segment| {
        segment.arguments.is_none() && NEVER.iter().all(|primitive| segment.ident != primitive)
    })
}

fn is_byte_slice(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Slice(slice) if is_named(&slice.elem, "u8"))
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ungroup(ty), Type::Path(ty) if ty.qself.is_none() && ty.path.is_ident(name))
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ungroup(ty) {
        Type::Path(ty) if ty.qself.is_none() => ty.path.segments.last(),
        _ => None,
    }
}

/// `T` of `Vec<T>` and of `Cow<'a, T>`.
fn only_type_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.next().filter(|_| types.next().is_none())
}

/// Looks through the invisible groups in which `macro_rules!` hands on a type.
fn ungroup(mut ty: &Type) -> &Type {
    while let Type::Group(group) = ty {
        ty = &group.elem;
    }
    ty
}
