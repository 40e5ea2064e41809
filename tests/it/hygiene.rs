//! What is generated means the same wherever the trait stands: without a prelude, beside types that have the
//! names of the language, inside a macro, inside a function.

use std::cell::RefCell;
use std::future::ready;
use std::rc::Rc;

use crate::block_on;

/// Borrows, so that its lifetime is left out in a signature.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Query<'a> {
    #[serde(borrow)]
    text: &'a str,
}

impl Query<'_> {
    fn length(&self) -> u16 {
        self.text.len().try_into().unwrap_or(u16::MAX)
    }
}

/// Names that an expansion could be tempted to write.
#[allow(dead_code, non_camel_case_types, reason = "the names are the point")]
mod taken {
    macro_rules! unit_structs {
        ($($name:ident)*) => { $(#[derive(Debug)] pub(super) struct $name;)* };
    }

    unit_structs! {
        Arc Box C Clone Copy Debug Duration Err Fn FnOnce Future Inner Local Method None Ok Option Result Self_ Send
        Service Sized Some String Sync Unpin Vec W bool char core rpc_runtime std str u32 u64 usize
    }

    /// The one that is also an argument.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct u8(pub(super) ::std::primitive::u16);
}

#[no_implicit_prelude]
#[allow(non_camel_case_types, reason = "the names are the point")]
mod without_prelude {
    use super::taken::*;

    type Answer = ::std::result::Result<u8, ::rpc_runtime::Error>;

    #[::rpc_runtime::service]
    pub(super) trait Shadow {
        async fn wrap(&self, number: u8, of: &[::std::string::String], query: super::Query<'_>) -> Answer;
        async fn r#type(&self, r#in: &u8, slot: ::std::option::Option<&::std::primitive::str>) -> Answer;
    }

    #[::rpc_runtime::service(local)]
    pub(super) trait Alone {
        async fn result(&self, args: Result, call: C) -> Answer;
    }

    pub(super) struct Worker;

    impl Shadow for Worker {
        async fn wrap(&self, number: u8, _: &[::std::string::String], query: super::Query<'_>) -> Answer {
            ::std::result::Result::Ok(u8(number.0 + query.length()))
        }

        async fn r#type(&self, r#in: &u8, _: ::std::option::Option<&::std::primitive::str>) -> Answer {
            ::std::result::Result::Ok(u8(r#in.0))
        }
    }

    impl Alone for Worker {
        async fn result(&self, _: Result, _: C) -> Answer {
            ::std::result::Result::Ok(u8(7))
        }
    }
}

#[test]
fn a_service_needs_no_prelude_and_no_name_of_the_language() {
    use without_prelude::{Alone, AloneClient, Shadow, ShadowClient, Worker};

    let shadow = ShadowClient::new(Worker);
    let wrapped = block_on(shadow.wrap(taken::u8(1000), &[], Query { text: "four" }));
    assert_eq!(wrapped.unwrap(), taken::u8(1004));
    assert_eq!(block_on(shadow.r#type(&taken::u8(300), None)).unwrap(), taken::u8(300));
    let alone = AloneClient::new(Worker);
    assert_eq!(block_on(alone.result(taken::Result, taken::C)).unwrap(), taken::u8(7));
}

/// Arguments with the names of the expansion's own locals.
#[rpc_runtime::service]
trait Locals {
    async fn sum(
        &self,
        args: u32,
        slot: u32,
        worker: u32,
        call: u32,
        self_: u32,
        inner: u32,
    ) -> rpc_runtime::Result<u32>;
}

struct Adder;

impl Locals for Adder {
    async fn sum(
        &self,
        args: u32,
        slot: u32,
        worker: u32,
        call: u32,
        self_: u32,
        inner: u32,
    ) -> rpc_runtime::Result<u32> {
        Ok(args + 2 * slot + 3 * worker + 4 * call + 5 * self_ + 6 * inner)
    }
}

#[test]
fn an_argument_may_have_the_name_of_a_local_of_the_expansion() {
    let adder = LocalsClient::new(Adder);
    let sum = block_on(adder.sum(1, 10, 100, 1_000, 10_000, 100_000));
    assert_eq!(sum.unwrap(), 1 + 20 + 300 + 4_000 + 50_000 + 600_000);
}

/// Services whose methods have the names of what expansions and the runtime have for themselves. Each adds its own
/// place in the list to its argument.
macro_rules! named {
    ($service:ident, $client:ident, ($($words:tt)*), $($method:ident)*) => {
        #[rpc_runtime::service $($words)*]
        #[allow(non_snake_case, clippy::wrong_self_convention, reason = "the names are the point")]
        trait $service {
            $(async fn $method(&self, $method: u64) -> rpc_runtime::Result<(u64, String)>;)*
        }

        #[allow(non_snake_case, reason = "the names are the point")]
        impl $service for Adder {
            $(async fn $method(&self, $method: u64) -> rpc_runtime::Result<(u64, String)> {
                Ok(($method + 1, stringify!($method).to_owned()))
            })*
        }

        impl $client {
            /// Calls each and adds up.
            async fn all(self) -> u64 {
                let mut sum = 0;
                $(
                    let (next, name) = self.$method(sum).await.unwrap();
                    assert_eq!(name, stringify!($method));
                    sum = next;
                )*
                sum
            }
        }
    };
}

macro_rules! named_both {
    ($($method:ident)*) => {
        named!(Named, NamedClient, (), $($method)*);
        named!(NamedAlone, NamedAloneClient, ((local)), $($method)*);
        const NAMES: u64 = [$(stringify!($method)),*].len() as u64;
    };
}

named_both! {
    A C Dyn F L M Named NamedDyn NamedAlone_ NamedAloneDyn S T W answer args argument as_ref at binding borrow call carried cause client
    clone_from cmp codec connect deref deserialize drop eq far fetch_ fmt fn_ W_ from_env from_inner from_worker
    future get given handle hash id info inner inside is kind len local local_client method movable name new output
    owned poll poll_next port proxy r#async r#match r#type read returned rpc rpc_runtime run self_ send serialize serve
    served shared slot spawn take to_string twin type_id unknown way worker
}

#[tokio::test]
async fn a_method_may_have_the_name_of_anything_that_an_expansion_uses() {
    assert_eq!(NamedClient::new(Adder).all().await, NAMES);
    assert_eq!(NamedAloneClient::new(Adder).all().await, NAMES);
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(rpc_runtime::serve(NamedClient::new(Adder), there));
    assert_eq!(NamedClient::connect(here).await.unwrap().all().await, NAMES);
}

#[tokio::test]
async fn a_method_may_have_the_name_of_anything_that_a_generic_client_has() {
    async fn ask<C: rpc_runtime::Client + Named>(client: C) -> u64 {
        let (inner, _) = client.inner(1).await.unwrap();
        let (from_inner, _) = client.from_inner(inner).await.unwrap();
        from_inner
    }

    assert_eq!(ask(NamedClient::new(Adder)).await, 3);
}

/// Types, names and lifetimes that come from two places.
macro_rules! made {
    ($name:ident, $argument:ident: $borrowed:ty, $lent:ty) => {
        #[rpc_runtime::service]
        trait $name {
            async fn length(
                &self,
                $argument: $borrowed,
                inner: Query<'_>,
                lent: $lent,
            ) -> rpc_runtime::Result<usize>;
        }
    };
}

made!(Made, inner_too: Query<'_>, &str);

impl Made for Adder {
    async fn length(&self, outer: Query<'_>, inner: Query<'_>, lent: &str) -> rpc_runtime::Result<usize> {
        Ok(outer.text.len() + inner.text.len() + lent.len())
    }
}

#[test]
fn a_service_may_come_out_of_a_macro() {
    let made = MadeClient::new(Adder);
    let length = block_on(made.length(Query { text: "a" }, Query { text: "bc" }, "def"));
    assert_eq!(length.unwrap(), 6);
}

#[test]
fn a_service_may_stand_in_a_function() {
    struct Seven;

    #[rpc_runtime::service]
    trait Inside {
        async fn number(&self) -> rpc_runtime::Result<u32>;
    }

    impl Inside for Seven {
        async fn number(&self) -> rpc_runtime::Result<u32> {
            ready(Ok(7)).await
        }
    }

    assert_eq!(block_on(InsideClient::new(Seven).number()).unwrap(), 7);
}

/// The contract's crate knows the runtime by another name.
mod renamed {
    use std::rc::Rc;

    use rpc_tests_contract::{Canvas, Query, Search};

    pub(super) struct Worker;

    impl Search for Worker {
        async fn ping(&self) -> rpc_runtime::Result<()> {
            Ok(())
        }

        async fn find(
            &self,
            query: Query<'_>,
            rows: &[&str],
            limit: Option<u32>,
        ) -> rpc_runtime::Result<Vec<u8>> {
            let limit = limit.map_or(usize::MAX, |limit| limit as usize);
            let found = (0..).zip(rows).filter(|(_, row)| row.contains(query.text)).map(|(at, _)| at);
            Ok(found.take(limit).collect())
        }

        async fn find_lent(&self, query: &Query<'_>, names: Vec<String>) -> rpc_runtime::Result<u64> {
            Ok(names.iter().filter(|name| name.contains(query.text)).count() as u64)
        }
    }

    impl Canvas for Worker {
        async fn draw(&self, text: Rc<str>, each: &dyn Fn(&str)) -> rpc_runtime::Result<Rc<str>> {
            text.split(' ').for_each(each);
            Ok(text)
        }
    }
}

#[test]
fn a_contract_may_know_the_runtime_by_another_name() {
    use rpc_tests_contract::{Query, Search, SearchClient};

    let search = SearchClient::new(renamed::Worker);
    block_on(search.ping()).unwrap();
    let found = block_on(search.find(Query { text: "b" }, &["abc", "cd", "b"], None));
    assert_eq!(found.unwrap(), [0, 2]);
    let found = block_on(search.find_lent(&Query { text: "b" }, vec!["abc".to_owned(), "c".to_owned()]));
    assert_eq!(found.unwrap(), 1);
}

#[test]
fn a_local_service_takes_what_borrows_and_what_is_counted() {
    use rpc_tests_contract::{Canvas, CanvasClient};

    let words = RefCell::new(Vec::new());
    let text: Rc<str> = "two words".into();
    let canvas = CanvasClient::new(renamed::Worker);
    let left =
        block_on(canvas.draw(Rc::clone(&text), &|word| words.borrow_mut().push(word.to_owned()))).unwrap();
    assert!(Rc::ptr_eq(&left, &text));
    assert_eq!(words.into_inner(), ["two", "words"]);
}

/// Types that name others without holding them, and references to text under another name.
mod named_only {
    use std::{
        collections::HashMap,
        hash::{BuildHasherDefault, DefaultHasher},
        marker::PhantomData,
        path::Path,
        sync::Arc,
    };

    /// Of this, there is nothing to be carried.
    pub(super) struct Tag;

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(bound = "")]
    pub(super) struct Id<T>(pub(super) u64, pub(super) PhantomData<fn() -> T>);

    type Text = str;
    type Hasher = BuildHasherDefault<DefaultHasher>;

    #[rpc_runtime::message]
    pub(super) struct Row {
        pub(super) id: Id<Tag>,
        pub(super) others: Vec<Id<Tag>>,
        pub(super) counts: HashMap<String, u8, Hasher>,
        pub(super) text: Arc<Text>,
    }

    #[rpc_runtime::service]
    pub(super) trait Rows {
        async fn row(
            &self,
            id: Id<Tag>,
            others: Vec<Id<Tag>>,
            counts: HashMap<String, u8, Hasher>,
            text: Option<&Text>,
        ) -> rpc_runtime::Result<Arc<Row>>;
        async fn ids(&self, of: Option<&Path>) -> rpc_runtime::Result<Vec<Id<Tag>>>;
    }

    impl Rows for super::Adder {
        async fn row(
            &self,
            id: Id<Tag>,
            others: Vec<Id<Tag>>,
            counts: HashMap<String, u8, Hasher>,
            text: Option<&Text>,
        ) -> rpc_runtime::Result<Arc<Row>> {
            Ok(Arc::new(Row { id, others, counts, text: text.unwrap_or_default().into() }))
        }

        async fn ids(&self, of: Option<&Path>) -> rpc_runtime::Result<Vec<Id<Tag>>> {
            Ok(of.into_iter().flatten().map(|part| Id(part.len() as u64, PhantomData)).collect())
        }
    }
}

#[tokio::test]
async fn what_a_type_only_names_need_not_be_carried() {
    use named_only::{Id, Rows, RowsClient};

    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(rpc_runtime::serve(RowsClient::new(Adder), there));
    let rows = RowsClient::connect(here).await.unwrap();
    let id = |id| Id(id, std::marker::PhantomData);
    let counts = [("a".to_owned(), 1)].into_iter().collect();
    let row = rows.row(id(7), vec![id(8)], counts, Some("text")).await.unwrap();
    assert_eq!((row.id.0, row.others[0].0, row.counts["a"], &*row.text), (7, 8, 1, "text"));
    let ids = rows.ids(Some(std::path::Path::new("a/bc"))).await.unwrap();
    assert_eq!(ids.iter().map(|id| id.0).collect::<Vec<_>>(), [1, 2]);
}

/// Everything has methods by the names that an expansion could be tempted to call.
mod extended {
    macro_rules! extensions {
        ($($name:ident)*) => {
            #[allow(dead_code, reason = "they are there to be mistaken")]
            pub(super) trait Extension: Sized {
                $(fn $name(self) -> u8 { 0 })*
            }
            impl<T> Extension for T {}
        };
    }

    extensions! {
        answer args begin call cause codec handle id info is kind read rpc run send serve shape slot start take twin
        unknown worker write
    }

    #[rpc_runtime::message]
    #[derive(Debug)]
    pub(super) enum ExtendedError {
        Rpc(rpc_runtime::Error),
    }

    impl From<rpc_runtime::Error> for ExtendedError {
        fn from(error: rpc_runtime::Error) -> Self {
            Self::Rpc(error)
        }
    }

    #[rpc_runtime::service]
    pub(super) trait Extended {
        async fn kind(&self, text: &str, all: &[u16]) -> Result<usize, ExtendedError>;
        async fn read(&self) -> Result<Vec<u8>, ExtendedError>;
    }

    impl Extended for super::Adder {
        async fn kind(&self, text: &str, all: &[u16]) -> Result<usize, ExtendedError> {
            Ok(text.len() + all.len())
        }

        async fn read(&self) -> Result<Vec<u8>, ExtendedError> {
            Ok(vec![7])
        }
    }

    pub(super) async fn call(client: impl Extended) -> (usize, Vec<u8>) {
        (Extended::kind(&client, "abc", &[1]).await.unwrap(), Extended::read(&client).await.unwrap())
    }
}

#[tokio::test]
async fn extension_traits_with_the_names_of_an_expansion_change_nothing() {
    let (here, there) = tokio::io::duplex(64 * 1024);
    tokio::spawn(rpc_runtime::serve(extended::ExtendedClient::new(Adder), there));
    let far = extended::ExtendedClient::connect(here).await.unwrap();
    for client in [extended::ExtendedClient::new(Adder), far] {
        assert_eq!(extended::call(client).await, (4, vec![7]));
    }
}
