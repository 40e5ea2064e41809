//! Lifetimes that were left out. The client and the trait leave them to rustc; the description is a type,
//! where each must have a name: `Query<'_>` is `Query<'__a>` in `type Args<'__a>`.

use proc_macro2::{Ident, Span};
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, Lifetime, ParenthesizedGenericArguments, Type, TypeFnPtr, TypeReference};

/// The type with every elided lifetime named `'__a`.
pub(super) fn name_elided(ty: &Type) -> Type {
    let mut named = ty.clone();
    NameElided.visit_type_mut(&mut named);
    named
}

/// Elides the lifetimes in `declared`.
pub(super) fn forget(ty: &mut Type, declared: &[Ident]) {
    if !declared.is_empty() {
        Forget { declared }.visit_type_mut(ty);
    }
}

struct NameElided;

impl VisitMut for NameElided {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| described(reference.and_token.span));
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = described(lifetime.span());
        }
    }

    // What is left out inside `fn(&str)`, `Fn(&str)` and `for<'x> ..` belongs to that function, and an
    // array's length is an expression: all of them mean the same in a description.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
    fn visit_expr_mut(&mut self, _: &mut Expr) {}
}

/// `'__a`, shown at `place`. It resolves in the expansion even where the user's type came out of another
/// macro.
fn described(place: Span) -> Lifetime {
    Lifetime::new("'__a", Span::mixed_site().located_at(place))
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
