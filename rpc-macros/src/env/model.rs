//! An `Env` in our words.

use syn::{Generics, Ident, Path, Type};

/// A struct whose fields a host fills in.
pub(super) struct Env {
    pub(super) name: Ident,
    /// Of which only lifetimes and types that stand in no field survive the checks.
    pub(super) generics: Generics,
    /// The path of the runtime.
    pub(super) runtime: Path,
    pub(super) fields: Vec<Field>,
}

/// One field.
pub(super) struct Field {
    pub(super) name: Ident,
    pub(super) ty: Type,
    /// What the configuration calls it.
    pub(super) binding: String,
    /// `#[env(secret)]`
    pub(super) secret: bool,
    /// `#[env(entrypoint = "Admin")]`
    pub(super) entrypoint: Option<String>,
}
