//! A service in our own words. Each word still holds the user's tokens, so that a later stage can point
//! at them and the expansion carries them on.

use std::time::Duration;

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::{Attribute, Lifetime, LitStr, Path, Token, Type, Visibility};

/// A trait under `#[service]`.
pub(crate) struct Service {
    /// The runtime crate: `::rpc_runtime`, or what `#[service(crate = "..")]` names.
    pub(crate) runtime: Path,
    /// `#[service(local)]`: never leaves its thread.
    pub(crate) local: bool,
    pub(crate) attributes: Attributes,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    /// The `Auth` of `Auth/verify`.
    pub(crate) wire_name: LitStr,
    pub(crate) methods: Vec<Method>,
}

impl Service {
    /// `AuthClient`.
    pub(crate) fn client(&self) -> Ident {
        format_ident!("{}Client", self.name, span = Span::call_site())
    }

    /// `__AuthDyn`, the object-safe twin.
    pub(crate) fn twin(&self) -> Ident {
        format_ident!("__{}Dyn", self.name, span = Span::call_site())
    }
}

pub(crate) struct Method {
    pub(crate) attributes: Attributes,
    pub(crate) name: Ident,
    /// The `verify` of `Auth/verify`.
    pub(crate) wire_name: LitStr,
    /// May be repeated by the binding that carries it.
    pub(crate) idempotent: bool,
    /// Given to each call that has none; never zero.
    pub(crate) deadline: Option<Duration>,
    /// The word `spawn`, where the user wrote it: the handler runs in a task of its own.
    pub(crate) spawn: Option<Ident>,
    /// The `fn` of what is generated, where the user's `async fn` begins: lints about a signature as a whole are shown
    /// there.
    pub(crate) keyword: Token![fn],
    /// The parentheses of the signature: where a mistake of the arguments together is shown.
    pub(crate) parentheses: Span,
    pub(crate) arguments: Vec<Argument>,
    /// The whole return type. Only the runtime's traits know whether it is a `Result`.
    pub(crate) output: Type,
    /// What stands inside of its type arguments.
    pub(crate) parts: Vec<Part>,
}

impl Method {
    /// `__verify_`, the type that stands for the method. No other name of the expansion ends so, whatever the method
    /// is called.
    pub(crate) fn marker(&self) -> Ident {
        format_ident!("__{}_", self.name, span = Span::call_site())
    }
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) wire_name: LitStr,
    /// `#[rpc(default)]`: it may be missing once two ends may have different contracts.
    pub(crate) default: bool,
    /// As the user wrote it.
    pub(crate) ty: Type,
    /// The same with every lifetime that was left out named `'__a`, the lifetime of the description.
    pub(crate) described: Type,
    /// What a boundary must be able to carry for it: the `T` of `&T`, else the type itself. Elided lifetimes
    /// are `'static`, since a bound on a type is stated without a call.
    pub(crate) carried: Type,
    /// What stands inside of it.
    pub(crate) parts: Vec<Part>,
    /// The `T` of a `&T` that a callee behind a boundary is lent after it was read, with the lifetimes of the
    /// description. `None` for what is given as it was read: an owned value, and `&str` and `&[u8]`, which lie in
    /// the frame.
    pub(crate) lent: Option<Type>,
}

impl Argument {
    /// The lifetime of the description, shown at `place`. It resolves in the expansion even where a type
    /// came out of another macro.
    pub(crate) fn lifetime(place: Span) -> Lifetime {
        Lifetime::new("'__a", Span::mixed_site().located_at(place))
    }
}

/// The `User` of a `Page<User>`: if that cannot be carried because this cannot, this is to blame.
pub(crate) struct Part {
    pub(crate) ty: Type,
    /// Whether it is the `&User` of an `Option<&User>`.
    pub(crate) is_reference: bool,
}

/// The attributes of a trait or a method, the macro's own taken out.
pub(crate) struct Attributes {
    /// What stays on the user's item: docs, `cfg`, `deprecated`, lints and whatever else there was.
    pub(crate) kept: Vec<Attribute>,
    /// The `cfg`s among them: everything generated for the item stands under them too.
    pub(crate) conditions: Vec<Attribute>,
    /// `deprecated` and `doc(hidden)`: what a public item generated beside the user's says of itself too.
    pub(crate) shared: Vec<Attribute>,
    /// Lints that are allowed, also in what is generated: an expansion names what the user names.
    pub(crate) allowed: Vec<Attribute>,
    /// Whether the item is deprecated, perhaps under a `cfg_attr` only.
    pub(crate) deprecated: bool,
}
