//! What a Worker hands out of itself.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{
    client::Inner,
    config::Props,
    env::{Field, FromEnv},
    error::{Error, Kind},
    service::{Serves, Service},
};

/// An entrypoint of the Worker itself, of which it makes clients for others, each with *props* of its choice: what it is
/// to know of whoever holds that client. Workers elsewhere call it a loop-back binding; in wrangler it is
/// `ctx.exports.Name({ props })`.
///
/// It is a field of the Worker's [`Env`](crate::Env), and needs nothing in the configuration. By default it is the
/// default entrypoint; `#[env(entrypoint = "Admin")]` names another one. That the Worker has this entrypoint, and offers
/// the service there, is checked before anything starts.
///
/// ```
/// use rpc_runtime::{Ctx, Entrypoint, Env, Error, Export, Result, Worker, service};
/// use serde::{Deserialize, Serialize};
///
/// #[service]
/// trait Notes {
///     async fn add(&self, note: &str) -> Result<String>;
/// }
///
/// #[service]
/// trait Desk {
///     /// The notes of a tenant, and of no other.
///     async fn open(&self, tenant: &str) -> Result<NotesClient>;
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// #[derive(Env)]
/// struct NotebookEnv {
///     #[env(entrypoint = "Notes")]
///     notes: Export<NotesClient>,
/// }
///
/// struct Notebook {
///     env: NotebookEnv,
/// }
///
/// impl Worker for Notebook {
///     type Env = NotebookEnv;
///     async fn new(env: NotebookEnv) -> Result<Self, Error> {
///         Ok(Self { env })
///     }
///     fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
///         entrypoint.service::<DeskClient>().named("Notes", |notes| notes.service::<NotesClient>())
///     }
/// }
///
/// impl Desk for Notebook {
///     async fn open(&self, tenant: &str) -> Result<NotesClient> {
///         self.env.notes.with_props(Tenant { tenant: tenant.to_owned() })
///     }
/// }
///
/// impl Notes for Notebook {
///     async fn add(&self, note: &str) -> Result<String> {
///         let Tenant { tenant } = Ctx::current().props()?;
///         Ok(format!("{tenant}: {note}"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// // A host fills the field in; a test does it by hand.
/// struct Fake;
/// impl Notes for Fake {
///     async fn add(&self, note: &str) -> Result<String> {
///         Ok(format!("{}: {note}", Ctx::current().props::<Tenant>()?.tenant))
///     }
/// }
/// let desk = DeskClient::from_worker(Notebook { env: NotebookEnv { notes: Export::new(Fake) } });
/// assert_eq!(desk.open("a1").await?.add("milk").await?, "a1: milk");
/// # Ok(()) }
/// ```
///
/// An export is no client: what has no props yet cannot be called, nor be handed to anybody, and rustc says so. A Worker
/// that calls itself is bound to itself in its configuration, or calls its own methods.
///
/// Making a client counts as nothing; each call through it counts as one through a binding does.
///
/// A Worker that keeps an export is one that is bound to itself: its instances are left to the end of the process, as
/// [`Host`](crate::Host) says.
pub struct Export<C: Service>(Inner<C>);

impl<C: Service> Export<C> {
    /// An export of something else, for a test that makes the `Env` of a Worker by hand.
    #[must_use]
    pub fn new<W: 'static>(implementation: W) -> Self
    where
        C: Serves<W>,
    {
        Self(Inner::owned(implementation))
    }

    pub(crate) fn of(inner: Inner<C>) -> Self {
        Self(inner)
    }

    /// A client whose calls carry these props, which the Worker reads with [`Ctx::props`](crate::Ctx::props): a structure
    /// or a map, of what a configuration file can say; `()` for none.
    ///
    /// Whoever holds the client cannot change them. They live with it, and are written down nowhere.
    ///
    /// # Errors
    ///
    /// The value is neither a structure nor a map, or has something in it that JSON cannot say: a map whose keys are no
    /// text, an integer beyond 64 bits. No predicate is true of it: the program is to be changed.
    pub fn with_props(&self, props: impl Serialize) -> Result<C, Error> {
        let props = Props::made(&props).map_err(|why| {
            let worker = &self.0.binding().worker;
            Error::new(Kind::Setup(
                format!("the props for a client of `{worker}` are no props: {why}").into(),
            ))
        })?;
        Ok(C::__from_inner(self.0.with_props(Arc::new(props))))
    }
}

impl<C: Service> FromEnv for Export<C> {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        field.export()
    }

    /// Every Worker has itself.
    fn is_present(_: &Field<'_, '_>) -> bool {
        true
    }
}

impl<C: Service> Clone for Export<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Service> fmt::Debug for Export<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worker = &self.0.binding().worker;
        f.debug_struct("Export").field("service", &C::INFO.name).field("worker", worker).finish()
    }
}
