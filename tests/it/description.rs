//! What an expansion says of a service: names and shapes, from which contracts are made.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use rpc_runtime::shape::Layout;
use rpc_runtime::{Error, Result, contract, message, service};
use serde::Deserialize;
use serde::de::{IntoDeserializer, value};

#[message]
struct Query<'a> {
    text: &'a str,
    limit: Option<u32>,
}

#[message]
enum SearchError {
    Refused,
    Rpc(Error),
}

impl From<Error> for SearchError {
    fn from(error: Error) -> Self {
        Self::Rpc(error)
    }
}

type Rows = Vec<(u64, String)>;
type Counts = HashMap<u16, Box<str>>;

#[service]
trait Search {
    async fn find(
        &self,
        query: Query<'_>,
        #[rpc(default, rename = "of")] r#in: &[&str],
    ) -> Result<Rows, SearchError>;
    #[expect(clippy::ptr_arg, reason = "whatever a user lends")]
    #[rpc(rename = "put")]
    async fn store(&self, body: Bytes, more: &[u8], name: &String) -> Result<(), SearchError>;
    #[cfg(false)]
    async fn absent(&self, missing: Missing) -> Result<()>;
    async fn hand_over(&self, to: SearchClient, foreign: Foreign) -> Result<Counts, SearchError>;
}

/// Has serde, and no shape.
#[derive(serde::Serialize, serde::Deserialize)]
struct Foreign(u8);

#[test]
fn a_contract_is_made_of_wire_names_and_shapes() {
    let contracts: Vec<_> = contract::of::<SearchClient>().iter().map(ToString::to_string).collect();
    let rows = Layout::of::<Result<Rows, SearchError>>();
    let nothing = Layout::of::<Result<(), SearchError>>();
    let counts = Layout::of::<Result<Counts, SearchError>>();
    let foreign = std::any::type_name::<Foreign>();
    let expected = [
        format!(
            "find struct {{ query: struct {{ text: string, limit: Option<u32> }}, of: [string] }} -> {rows}"
        ),
        format!("put struct {{ body: bytes, more: bytes, name: string }} -> {nothing}"),
        format!("hand_over struct {{ to: handle Search, foreign: opaque {foreign:?} }} -> {counts}"),
    ];
    assert_eq!(contracts, expected);
}

/// The same contract with owned types in the place of borrowed ones.
mod owned {
    use super::{Result, Rows, SearchError, message, service};

    #[message]
    pub(super) struct Query {
        text: String,
        limit: Option<u32>,
    }

    #[service(rename = "Search")]
    pub(super) trait Owned {
        async fn find(&self, query: &Query, of: Vec<String>) -> Result<Rows, SearchError>;
    }
}

#[test]
fn borrowed_and_owned_arguments_make_one_contract() {
    let (borrowed, owned) = (contract::of::<SearchClient>(), contract::of::<owned::OwnedClient>());
    assert_eq!(borrowed[0].fingerprint(), owned[0].fingerprint());
    assert_eq!(borrowed[0].differences(&owned[0]), []);
}

#[service(local)]
trait Near {
    #[allow(dead_code, reason = "it is described, not called")]
    async fn hold(&self, value: Rc<str>, each: &dyn Fn(&str)) -> Result<Rc<str>>;
}

#[test]
fn a_local_service_has_names_alone() {
    let near = contract::of::<NearClient>();
    assert_eq!(near.len(), 1);
    assert_eq!(near[0].method(), "hold");
}

#[test]
fn a_client_outside_of_a_session_has_no_bytes() {
    struct Nobody;

    #[service]
    trait Empty {}

    impl Empty for Nobody {}

    let written = postcard::to_allocvec(&EmptyClient::new(Nobody));
    assert_eq!(written, Err(postcard::Error::SerdeSerCustom));
    let read = EmptyClient::deserialize(IntoDeserializer::<value::Error>::into_deserializer(()));
    assert_eq!(
        read.unwrap_err().to_string(),
        "a client of `Empty` can be passed in a call alone: outside of a session it has no form",
    );
}
