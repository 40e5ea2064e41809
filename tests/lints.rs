//! A library whose author denies every lint there is: expansions are clean under all of them.
//!
//! A library, because only what others can reach must be documented. It is tested by being compiled, and by
//! clippy.
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic, clippy::nursery, unused_qualifications)]
#![deny(unreachable_pub, unnameable_types, elided_lifetimes_in_paths, missing_debug_implementations)]

/// Every kind of message.
pub mod messages {
    use rpc_runtime::message;

    /// Named fields, some of them lent.
    #[message]
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Query<'a> {
        /// Lent.
        pub text: &'a str,
        /// Lent when it is there.
        pub raw: Option<&'a [u8]>,
        /// A run.
        pub body: Vec<u8>,
        /// Not written.
        #[serde(skip)]
        pub cached: bool,
    }

    /// A generic one.
    #[message]
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Page<T> {
        /// The items.
        pub items: Vec<T>,
        /// Where the next page starts.
        pub next: Option<u64>,
    }

    /// A newtype.
    #[message]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Id(pub u64);

    /// An error that holds another.
    #[message]
    #[derive(Debug)]
    pub enum Failure {
        /// Refused.
        Refused,
        /// Refused with a reason.
        Because {
            /// The reason.
            reason: String,
        },
        /// The call failed.
        Rpc(rpc_runtime::__private::Error),
        /// By another.
        #[deprecated]
        Id(Id),
    }

    /// On its way out.
    #[message]
    #[deprecated]
    #[derive(Debug)]
    pub enum Old {
        /// The error.
        Rpc(rpc_runtime::__private::Error),
    }
}
