//! What every client is beside its service: cheap to clone, printable, and a value that a call can carry.

use std::fmt;

use serde::{Deserializer, Serializer, de, ser};

use crate::{client::Inner, service::Service};

/// The traits that an expansion gives the client of a service. They cannot be written once for all clients:
/// rustc lets a crate implement a foreign trait for its own types alone.
#[doc(hidden)]
#[macro_export]
macro_rules! __client {
    ($client:ident) => {
        $crate::__any_client! { $client }
        $crate::__client_in_env! { $client, client_anywhere }
        impl $client {
            /// A client of what is served at the other end of `stream`, until one of the two ends it.
            ///
            /// # Errors
            ///
            /// The other end speaks another protocol, or says nothing in time; or there is no tokio runtime.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future closes the stream.
            pub async fn connect<__S: $crate::__private::ByteStream>(
                stream: __S,
            ) -> $crate::__private::Result<Self, $crate::__private::Error> {
                $crate::__private::connect(stream).await
            }
        }
        $crate::__client_at! { $client }
        #[automatically_derived]
        impl $crate::__private::serde::Serialize for $client {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> $crate::__private::Result<S::Ok, S::Error> {
                $crate::__private::passing::serialize(&self.0, serializer)
            }
        }
        #[automatically_derived]
        impl $crate::__private::Shape for $client {
            const NODE: $crate::__private::Node =
                $crate::__private::Node::handle(|| <$client as $crate::__private::Service>::INFO.name);
        }
        #[automatically_derived]
        impl<'de> $crate::__private::serde::Deserialize<'de> for $client {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> $crate::__private::Result<Self, D::Error> {
                $crate::__private::passing::deserialize::<Self, D>(deserializer)
            }
        }
    };
}

/// The same for a service that stays in its thread, and so does its client.
#[doc(hidden)]
#[macro_export]
macro_rules! __local_client {
    ($client:ident) => {
        $crate::__any_client! { $client }
        $crate::__client_in_env! { $client, client }
    };
}

/// What the two have in common.
#[doc(hidden)]
#[macro_export]
macro_rules! __any_client {
    ($client:ident) => {
        #[automatically_derived]
        impl $crate::__private::Clone for $client {
            fn clone(&self) -> Self {
                Self($crate::__private::Clone::clone(&self.0))
            }
        }
        #[automatically_derived]
        impl $crate::__private::fmt::Debug for $client {
            fn fmt(&self, f: &mut $crate::__private::fmt::Formatter<'_>) -> $crate::__private::fmt::Result {
                $crate::__private::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// The way to an address, where there are sockets.
#[cfg(feature = "net")]
#[doc(hidden)]
#[macro_export]
macro_rules! __client_at {
    ($client:ident) => {
        impl $client {
            /// A client of what is served at an address. It connects when it is called first, and again when the
            /// connection was lost.
            ///
            /// Make one and clone it: clones share their connections, one for each tokio runtime that calls, and each
            /// `at` has its own.
            ///
            /// A call with a deadline waits for further attempts to connect until then, unless nobody listens there;
            /// one without fails when the first attempt does.
            #[must_use]
            pub fn at(address: $crate::transport::Address) -> Self {
                $crate::__private::at(address)
            }
        }
    };
}

/// Without sockets there are no addresses.
#[cfg(not(feature = "net"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __client_at {
    ($client:ident) => {};
}

/// A client can be a field of an `Env`. Stated for each, because where a blanket implementation stands, rustc says of a
/// type that cannot be a field that it is no service.
#[cfg(feature = "host")]
#[doc(hidden)]
#[macro_export]
macro_rules! __client_in_env {
    ($client:ident, $take:ident) => {
        #[automatically_derived]
        impl $crate::FromEnv for $client {
            fn from_env(field: &mut $crate::Field<'_, '_>) -> $crate::__private::Option<Self> {
                field.$take()
            }
        }
    };
}

/// Without a host there is no `Env`.
#[cfg(not(feature = "host"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __client_in_env {
    ($client:ident, $take:ident) => {};
}

/// Writes a client.
///
/// # Errors
///
/// Always: a client travels as an entry in the table of a session, and there is no session.
pub fn serialize<C: Service, S: Serializer>(_: &Inner<C>, _: S) -> Result<S::Ok, S::Error> {
    Err(ser::Error::custom(NoSession(C::INFO.name)))
}

/// Reads a client.
///
/// # Errors
///
/// Always, as [`serialize`] does.
pub fn deserialize<'de, C: Service, D: Deserializer<'de>>(_: D) -> Result<C, D::Error> {
    Err(de::Error::custom(NoSession(C::INFO.name)))
}

/// Why a client has no bytes: it is a right to call, not a value.
struct NoSession(&'static str);

impl fmt::Display for NoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a client of `{}` can be passed in a call alone: outside of a session it has no form",
            self.0
        )
    }
}
