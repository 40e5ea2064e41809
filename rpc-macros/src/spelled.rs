//! What the spelling of a path shows, for errors alone: a name may mean another type than it seems to.

use syn::{GenericArgument, PathArguments, Type, TypePath};

/// The types in the last pair of `<>`.
pub(crate) fn arguments(path: &TypePath) -> impl Iterator<Item = &Type> {
    let arguments = match path.path.segments.last().map(|segment| &segment.arguments) {
        Some(PathArguments::AngleBracketed(arguments)) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether it is called like a type that is carried if what stands inside of it is. One that is only called so is
/// found out with the whole.
pub(crate) fn is_known(path: &TypePath) -> bool {
    const KNOWN: &[&str] = &[
        "Arc",
        "BTreeMap",
        "BTreeSet",
        "BinaryHeap",
        "Box",
        "Bytes",
        "Cow",
        "Duration",
        "HashMap",
        "HashSet",
        "Option",
        "Rc",
        "Result",
        "String",
        "Vec",
        "VecDeque",
        "bool",
        "char",
        "f32",
        "f64",
        "i128",
        "i16",
        "i32",
        "i64",
        "i8",
        "isize",
        "str",
        "u128",
        "u16",
        "u32",
        "u64",
        "u8",
        "usize",
    ];
    path.path.segments.last().is_some_and(|segment| KNOWN.iter().any(|known| segment.ident == known))
}
