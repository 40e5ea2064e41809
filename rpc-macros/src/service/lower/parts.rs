//! What stands inside of a type, as far as its spelling shows.

use syn::Type;

use super::lifetimes;
use super::method::lies_in_frame;
use crate::service::model::Part;
use crate::spelled::{arguments, is_known};

/// The parts of an argument.
pub(super) fn of(carried: &Type) -> Vec<Part> {
    let mut parts = Vec::new();
    inside(carried, &mut parts);
    parts
}

/// The parts of the types that a return type names: of the two of a `Result`, if it is written out. These two are none,
/// since they are asked for anyway.
pub(super) fn of_output(output: &Type) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Type::Path(path) = output {
        arguments(path).for_each(|outcome| inside(&lifetimes::erased(outcome), &mut parts));
    }
    parts
}

fn inside(ty: &Type, parts: &mut Vec<Part>) {
    match ty {
        Type::Paren(inner) => inside(&inner.elem, parts),
        Type::Group(inner) => inside(&inner.elem, parts),
        Type::Slice(slice) => add(&slice.elem, parts),
        Type::Array(array) => add(&array.elem, parts),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|elem| add(elem, parts)),
        Type::Path(path) => arguments(path).for_each(|argument| add(argument, parts)),
        _ => {}
    }
}

/// Adds the type, or else what stands inside of it.
fn add(ty: &Type, parts: &mut Vec<Part>) {
    match ty {
        Type::Reference(reference) if lies_in_frame(&reference.elem) => {}
        Type::Reference(_) => parts.push(Part { ty: ty.clone(), is_reference: true }),
        Type::Path(path) if is_known(path) || arguments(path).next().is_some() => inside(ty, parts),
        Type::Path(_) => parts.push(Part { ty: ty.clone(), is_reference: false }),
        _ => inside(ty, parts),
    }
}
