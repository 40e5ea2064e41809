//! Types of arguments and results, as far as their spelling decides. Whether a type can cross a boundary,
//! and whether a return type is a result, the runtime's traits decide.

use syn::visit::{self, Visit};
use syn::{
    Expr, GenericArgument, Lifetime, ParenthesizedGenericArguments, PathArguments, PathSegment, TraitBound,
    Type, TypePath, TypeReference,
};

use crate::errors::Errors;
use crate::service::model::Method;

pub(super) fn method(errors: &mut Errors, method: &Method, local: bool) {
    for argument in &method.arguments {
        unsized_by_value(errors, &argument.ty);
        Rules::of(errors, local, Place::Argument).visit_type(&argument.ty);
    }
    Rules::of(errors, local, Place::Output).visit_type(&method.output);
}

/// Rustc would say so at every item that holds the argument.
fn unsized_by_value(errors: &mut Errors, ty: &Type) {
    match ty {
        Type::Slice(slice) => errors.at(slice, "write `&[T]` or `Vec<T>`: a slice has no size of its own"),
        Type::Path(path) if path.path.is_ident("str") => {
            errors.at(path, "write `&str` or `String`: a `str` has no size of its own");
        }
        _ => {}
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Argument,
    Output,
}

/// Walks one type. A part that breaks a rule is not entered: one mistake gives one error.
struct Rules<'e> {
    errors: &'e mut Errors,
    local: bool,
    place: Place,
    /// Whether a `'static` may stand here: what borrows is read from a frame, and no frame lives forever.
    may_be_static: bool,
}

impl<'e> Rules<'e> {
    fn of(errors: &'e mut Errors, local: bool, place: Place) -> Self {
        Self { errors, local, place, may_be_static: local }
    }
}

impl<'ast> Visit<'ast> for Rules<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        match self.broken_by(ty) {
            Some(message) => self.errors.at(ty, message),
            None => visit::visit_type(self, ty),
        }
    }

    /// Nothing outside of a call can be borrowed by it, nor the other way round.
    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        match (self.place, lifetime.ident.to_string().as_str()) {
            (_, "static") if self.may_be_static => {}
            (Place::Argument, "_") => {}
            (Place::Argument, "static") => self.errors.at(
                lifetime,
                "write `'_`: an argument lives as long as its call, and what it borrows is not read forever",
            ),
            (Place::Argument, _) => self.errors.at(
                lifetime,
                "leave the lifetime out or write `'_`: a borrowed argument lives as long as its call",
            ),
            (Place::Output, _) => self.errors.at(lifetime, OWNED),
        }
    }

    /// A `Cow` is read into its owned half, unless it is a run of bytes.
    fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
        let outside = self.may_be_static;
        self.may_be_static = self.local || (segment.ident == "Cow" && !is_of_bytes(segment));
        visit::visit_path_segment(self, segment);
        self.may_be_static = outside;
    }

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        // `for<'x> Fn(&'x str)` names lifetimes of its own.
        if bound.lifetimes.is_none() {
            visit::visit_trait_bound(self, bound);
        }
    }

    // The signature of a function inside a type is that function's business.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
    fn visit_expr(&mut self, _: &'ast Expr) {}
}

impl Rules<'_> {
    fn broken_by(&self, ty: &Type) -> Option<&'static str> {
        match ty {
            Type::Reference(reference) => match self.place {
                Place::Argument => self.lent(reference),
                Place::Output => self.borrowed(reference),
            },
            Type::ImplTrait(_) if self.local => Some("name the type, or box it: `Box<dyn Trait>`"),
            Type::ImplTrait(_) => Some("name the type: both sides must know what travels"),
            Type::Infer(_) => Some("name the type: both sides must know what travels"),
            Type::Path(path) if is_self(path) => {
                Some("name the type: `Self` is the implementation, which its callers do not know")
            }
            _ if self.local => None,
            _ => self.bound_to_this_process(ty),
        }
    }

    /// An argument is moved or lent for reading: a callee far away has nothing to write to, and one that is
    /// cancelled would leave half of its work behind.
    fn lent(&self, reference: &TypeReference) -> Option<&'static str> {
        if reference.mutability.is_some() {
            return Some("lend it for reading, `&T`, or move it in and give it back in the result");
        }
        let is_static = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
        (is_static && !self.local)
            .then_some("leave `'static` out: an argument is lent for the time of its call")
    }

    /// A result outlives the call, and with it everything a borrow could point at.
    fn borrowed(&self, reference: &TypeReference) -> Option<&'static str> {
        match &reference.lifetime {
            Some(lifetime) if self.local && lifetime.ident == "static" => None,
            _ => Some(OWNED),
        }
    }

    /// Values that mean something in one address space alone.
    fn bound_to_this_process(&self, ty: &Type) -> Option<&'static str> {
        match (ty, self.place) {
            (Type::TraitObject(_), Place::Argument) => Some(
                "a `dyn` value cannot leave its process: pass the client of a service, or make this one \
                 `#[service(local)]`",
            ),
            (Type::TraitObject(_), Place::Output) => Some(
                "a `dyn` value cannot leave its process: name the type (for an error: an enum with \
                 `#[message]`, or `rpc_runtime::Error`)",
            ),
            (Type::FnPtr(_), _) => Some(
                "a function cannot leave its process: pass the client of a service, or make this one \
                 `#[service(local)]`",
            ),
            (Type::Ptr(_), _) => Some(
                "a pointer means nothing in another process: lend the value, `&T`, or make this service \
                 `#[service(local)]`",
            ),
            (Type::Never(_), _) => Some("write `std::convert::Infallible`: `!` cannot be part of a message"),
            _ => None,
        }
    }
}

const OWNED: &str =
    "a result outlives its call, so it owns what it holds: write `String`, `Vec<T>` or `Arc<T>`";

/// Whether it is `..<.., [u8]>`.
fn is_of_bytes(segment: &PathSegment) -> bool {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
    let Some(GenericArgument::Type(Type::Slice(slice))) = arguments.args.last() else { return false };
    matches!(&*slice.elem, Type::Path(path) if path.path.is_ident("u8"))
}

fn is_self(path: &TypePath) -> bool {
    path.qself.is_none() && path.path.segments.first().is_some_and(|segment| segment.ident == "Self")
}
