//! Lifetimes that were left out. The client and the trait leave them to rustc; the description names types
//! outside of any call, where each needs a name.

use proc_macro2::{Ident, Span};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeReference};

use crate::service::model::Argument;

/// `Query<'_>` as `Query<'__a>`: for `type Args<'__a>`.
pub(super) fn described(ty: &Type) -> Type {
    with_elided(ty, Argument::lifetime)
}

/// `Query<'_>` as `Query<'static>`: for what holds or not whatever the lifetime.
pub(super) fn erased(ty: &Type) -> Type {
    with_elided(ty, |place| Lifetime::new("'static", place))
}

fn with_elided(ty: &Type, name: fn(Span) -> Lifetime) -> Type {
    let mut ty = ty.clone();
    NameElided { name }.visit_type_mut(&mut ty);
    ty
}

/// Elides the lifetimes in `declared`.
pub(super) fn forget(ty: &mut Type, declared: &[Ident]) {
    if !declared.is_empty() {
        Forget { declared }.visit_type_mut(ty);
    }
}

struct NameElided {
    /// The name, shown at a place.
    name: fn(Span) -> Lifetime,
}

impl VisitMut for NameElided {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| (self.name)(reference.and_token.span));
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = (self.name)(lifetime.span());
        }
    }

    // What is left out inside `fn(&str)`, `Fn(&str)` and `for<'x> ..` belongs to that function, and an
    // array's length is an expression: all of them mean the same in a description.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}

struct Forget<'d> {
    declared: &'d [Ident],
}

impl VisitMut for Forget<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.take_if(|lifetime| self.declared.contains(&lifetime.ident));
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.declared.contains(&lifetime.ident) {
            *lifetime = Lifetime::new("'_", lifetime.span());
        }
    }
}
