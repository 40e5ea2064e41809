//! Calls over a stream of bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rpc_runtime::{
    Body, CallOptions, Client, Ctx, Entrypoint, Error, Fetch, Request, Response, Result, Session,
    SessionOptions, Worker, message, serve, service,
};
use tokio::io::duplex;

#[message]
#[derive(Clone, Debug, PartialEq)]
struct User {
    id: u64,
    name: String,
}

#[message]
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    prefix: &'a str,
    limit: u32,
}

#[message]
#[derive(Debug, PartialEq)]
enum StoreError {
    Missing { key: String },
    Rpc(Error),
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Rpc(error)
    }
}

#[service]
trait Store {
    async fn nothing(&self) -> Result<()>;
    async fn owned(&self, user: User) -> Result<User>;
    async fn text(&self, text: &str) -> Result<String>;
    async fn lent(&self, user: &User) -> Result<String>;
    async fn lent_slice(&self, users: &[User]) -> Result<usize>;
    async fn borrowing(&self, query: Query<'_>) -> Result<String>;
    async fn optional(&self, name: Option<&str>) -> Result<Option<String>>;
    async fn run(&self, run: &[u8]) -> Result<Bytes>;
    async fn vector(&self, run: Vec<u8>) -> Result<Vec<u8>>;
    async fn bytes(&self, run: Bytes) -> Result<Bytes>;
    async fn many(&self, a: u8, b: &str, c: &[u8], d: &User, e: (u16, i64)) -> Result<String>;
    async fn find(&self, key: &str) -> Result<User, StoreError>;
    async fn word(&self, key: &str) -> Result<String>;
    async fn slow(&self) -> Result<()>;
    async fn panics(&self) -> Result<()>;
}

#[derive(Default)]
struct Memory {
    entered: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Store for Memory {
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }
    async fn owned(&self, user: User) -> Result<User> {
        Ok(user)
    }
    async fn text(&self, text: &str) -> Result<String> {
        tokio::task::yield_now().await;
        Ok(text.to_uppercase())
    }
    async fn lent(&self, user: &User) -> Result<String> {
        tokio::task::yield_now().await;
        Ok(user.name.clone())
    }
    async fn lent_slice(&self, users: &[User]) -> Result<usize> {
        Ok(users.len())
    }
    async fn borrowing(&self, query: Query<'_>) -> Result<String> {
        tokio::task::yield_now().await;
        Ok(format!("{}:{}", query.prefix, query.limit))
    }
    async fn optional(&self, name: Option<&str>) -> Result<Option<String>> {
        Ok(name.map(str::to_owned))
    }
    async fn run(&self, run: &[u8]) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(run))
    }
    async fn vector(&self, run: Vec<u8>) -> Result<Vec<u8>> {
        Ok(run)
    }
    async fn bytes(&self, run: Bytes) -> Result<Bytes> {
        Ok(run)
    }
    async fn many(&self, a: u8, b: &str, c: &[u8], d: &User, e: (u16, i64)) -> Result<String> {
        Ok(format!("{a} {b} {c:?} {} {e:?}", d.name))
    }
    async fn find(&self, key: &str) -> Result<User, StoreError> {
        Err(StoreError::Missing { key: key.to_owned() })
    }
    async fn word(&self, key: &str) -> Result<String> {
        Ok(Ctx::with(|ctx| ctx.metadata(key).unwrap_or_default().to_owned()))
    }
    async fn slow(&self) -> Result<()> {
        let _count = CountDrop(Arc::clone(&self.dropped));
        self.entered.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
    async fn panics(&self) -> Result<()> {
        panic!("the disk is on fire")
    }
}

fn ada() -> User {
    User { id: 7, name: "Ada".into() }
}

async fn over(store: Memory) -> StoreClient {
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(StoreClient::new(store), there));
    StoreClient::connect(here).await.unwrap()
}

#[tokio::test]
async fn every_kind_of_argument_arrives_and_every_result_comes_back() {
    let store = over(Memory::default()).await;
    store.nothing().await.unwrap();
    assert_eq!(store.owned(ada()).await.unwrap(), ada());
    assert_eq!(store.text("grün").await.unwrap(), "GRÜN");
    assert_eq!(store.lent(&ada()).await.unwrap(), "Ada");
    assert_eq!(store.lent_slice(&[ada(), ada()]).await.unwrap(), 2);
    assert_eq!(store.borrowing(Query { prefix: "a", limit: 3 }).await.unwrap(), "a:3");
    assert_eq!(store.optional(Some("x")).await.unwrap().as_deref(), Some("x"));
    assert_eq!(store.optional(None).await.unwrap(), None);
    assert_eq!(store.run(b"\x00\xff").await.unwrap(), &b"\x00\xff"[..]);
    assert_eq!(store.vector(vec![1, 2]).await.unwrap(), [1, 2]);
    assert_eq!(store.bytes(Bytes::from_static(b"ab")).await.unwrap(), "ab");
    assert_eq!(store.many(1, "b", &[3], &ada(), (4, -5)).await.unwrap(), "1 b [3] Ada (4, -5)");
}

#[tokio::test]
async fn long_values_travel_in_pieces() {
    let store = over(Memory::default()).await;
    for length in [60_000, 65_536, 65_537, 1 << 20, 5 << 20] {
        let long: Vec<u8> = (0..length).map(|at| at as u8).collect();
        assert!(store.vector(long.clone()).await.unwrap() == long, "{length}");
        assert!(store.bytes(long.clone().into()).await.unwrap() == long, "{length}");
        assert!(store.run(&long).await.unwrap() == long, "{length}");
    }
}

#[tokio::test]
async fn a_services_own_error_arrives_as_the_same_variant() {
    let store = over(Memory::default()).await;
    assert_eq!(store.find("k").await.unwrap_err(), StoreError::Missing { key: "k".into() });
}

#[tokio::test]
async fn metadata_reach_the_callee() {
    let store = over(Memory::default()).await;
    let store = store.with(CallOptions::new().metadata("tenant", "a1").propagate("request", "7f"));
    assert_eq!(store.word("tenant").await.unwrap(), "a1");
    assert_eq!(store.word("request").await.unwrap(), "7f");
    assert_eq!(store.word("other").await.unwrap(), "");
}

#[tokio::test]
async fn a_panic_fails_its_own_call_and_says_where() {
    let store = over(Memory::default()).await;
    let error = store.panics().await.unwrap_err();
    assert!(error.is_panic() && error.is_remote(), "{error}");
    assert!(error.to_string().contains("the disk is on fire"), "{error}");
    assert_eq!(error.hops().last().map(|hop| hop.method().to_owned()).as_deref(), Some("panics"));
    store.nothing().await.unwrap();
}

#[tokio::test]
async fn dropping_a_call_drops_its_handler() {
    let memory = Memory::default();
    let dropped = Arc::clone(&memory.dropped);
    let store = over(memory).await;
    tokio::time::timeout(Duration::from_millis(20), store.slow()).await.unwrap_err();
    store.nothing().await.unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_deadline_ends_the_handler_at_both_ends() {
    let memory = Memory::default();
    let dropped = Arc::clone(&memory.dropped);
    let store = over(memory).await.with(CallOptions::new().deadline(Duration::from_millis(20)));
    let error = store.slow().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    store.nothing().await.unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn every_call_of_a_session_ends_at_its_own_deadline_and_says_which() {
    let memory = Memory::default();
    let dropped = Arc::clone(&memory.dropped);
    let store = over(memory).await;
    let start = tokio::time::Instant::now();
    let limits = [30, 10, 20].map(Duration::from_millis);
    let calls = limits.map(|limit| {
        let hasty = store.with(CallOptions::new().deadline(limit));
        tokio::spawn(async move { (hasty.slow().await.unwrap_err(), start.elapsed()) })
    });
    for (call, limit) in calls.into_iter().zip(limits) {
        let (error, after) = call.await.unwrap();
        assert!(error.is_deadline() && !error.is_remote(), "{error}");
        assert!(error.to_string().contains(&format!("the deadline of {limit:?} passed")), "{error}");
        assert!((limit..limit + Duration::from_millis(3)).contains(&after), "{after:?} for {limit:?}");
    }
    store.nothing().await.unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn calls_fail_when_the_stream_ends() {
    let (here, there) = duplex(64 * 1024);
    let memory = Memory::default();
    let entered = Arc::clone(&memory.entered);
    let (session, driving) = SessionOptions::new().serve(StoreClient::new(memory)).over(there);
    let serving = tokio::spawn(driving);
    let store = StoreClient::connect(here).await.unwrap();
    store.nothing().await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.slow().await }
    });
    while entered.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    serving.abort();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_disconnected(), "{error}");
    let error = store.nothing().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    drop(session);
}

#[tokio::test]
async fn a_call_that_never_left_is_unavailable_however_it_was_made() {
    let (here, there) = duplex(64 * 1024);
    let serving = tokio::spawn(serve(StoreClient::new(Memory::default()), there));
    let store = StoreClient::connect(here).await.unwrap();
    store.nothing().await.unwrap();
    serving.abort();
    store.nothing().await.unwrap_err();
    for store in [store.clone(), store.with(CallOptions::new().metadata("tenant", "a1"))] {
        let error = store.nothing().await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    }
}

#[tokio::test]
async fn a_session_carries_calls_both_ways() {
    let (here, there) = duplex(64 * 1024);
    let a: Session = SessionOptions::new().serve(StoreClient::new(Memory::default())).start(here).unwrap();
    let b = SessionOptions::new().serve(StoreClient::new(Memory::default())).start(there).unwrap();
    let (from_a, from_b) = (a.client::<StoreClient>(), b.client::<StoreClient>());
    let (one, other) = tokio::join!(from_a.text("a"), from_b.text("b"));
    assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("A", "B"));
}

struct Site;

impl Worker for Site {
    type Env = ();
    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Site {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let (head, body) = request.into_parts();
        let body = body.text().await?;
        let page = format!("{} {} {:?} {body}", head.method, head.uri, head.headers.get("x-word"));
        Ok(http::Response::builder().status(201).header("x-page", "1").body(Body::from(page))?)
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made() {
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(Site, there));
    let site = StoreClient::connect(here).await.unwrap();
    let request =
        http::Request::post("http://site/a?b=1").header("x-word", "w").body(Body::from("hello")).unwrap();
    let response = site.fetch(request).await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-page"], "1");
    let text = response.into_body().text().await.unwrap();
    assert_eq!(text, r#"POST http://site/a?b=1 Some("w") hello"#);
    let error = site.nothing().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

mod newer {
    use rpc_runtime::{Result, message, service};

    #[message]
    #[derive(Clone, Debug, PartialEq)]
    pub(super) struct User {
        pub(super) id: u64,
        pub(super) name: String,
        pub(super) age: u8,
    }

    /// The same service in another build.
    #[service]
    pub(super) trait Store {
        async fn nothing(&self) -> Result<()>;
        async fn owned(&self, user: User) -> Result<User>;
        async fn added(&self) -> Result<()>;
    }
}

#[tokio::test]
async fn a_method_of_another_shape_is_refused_before_anything_is_read_and_says_where() {
    use newer::Store as _;
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(StoreClient::new(Memory::default()), there));
    let store = newer::StoreClient::connect(here).await.unwrap();
    let user = newer::User { id: 7, name: "Ada".into(), age: 36 };
    // The first call goes out with the opening of the service, the others when its answer is there.
    for _ in 0..2 {
        let error = store.owned(user.clone()).await.unwrap_err();
        assert!(error.is_contract(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("`Store/owned`: argument `user`: field `User.age`: u8 here, nothing there"),
            "{text}"
        );
        store.nothing().await.unwrap();
        let error = store.added().await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(error.to_string().contains("added"), "{error}");
    }
}

mod with_default {
    use rpc_runtime::{Result, service};

    /// The same service in another build, where one argument is new.
    #[service]
    pub(super) trait Store {
        async fn text(&self, text: &str, #[rpc(default)] loud: bool) -> Result<String>;
    }

    pub(super) struct Echo;

    impl Store for Echo {
        async fn text(&self, text: &str, loud: bool) -> Result<String> {
            Ok(format!("{text} {loud}"))
        }
    }
}

/// Until values travel in a form that shows the names of arguments.
#[tokio::test]
async fn a_caller_that_does_not_know_an_argument_with_a_default_is_refused_all_the_same() {
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(with_default::StoreClient::new(with_default::Echo), there));
    let older = StoreClient::connect(here).await.unwrap();
    let error = older.text("a").await.unwrap_err();
    assert!(error.is_contract(), "{error}");
    let text = error.to_string();
    assert!(text.contains("`Store/text`: argument `loud`: nothing here, bool there"), "{text}");

    use with_default::Store as _;
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(StoreClient::new(Memory::default()), there));
    let newer = with_default::StoreClient::connect(here).await.unwrap();
    let error = newer.text("a", true).await.unwrap_err();
    assert!(error.is_contract(), "{error}");
    let text = error.to_string();
    assert!(text.contains("`Store/text`: argument `loud`: bool here, nothing there"), "{text}");
}

#[tokio::test]
async fn a_session_ends_with_its_last_client() {
    let (here, there) = duplex(64 * 1024);
    let serving = tokio::spawn(serve(StoreClient::new(Memory::default()), there));
    let store = StoreClient::connect(here).await.unwrap();
    let other = store.with(CallOptions::new().metadata("tenant", "a1"));
    drop(store);
    other.nothing().await.unwrap();
    drop(other);
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_is_closed_when_nobody_waits_for_its_client_any_more() {
    let (here, mut there) = duplex(64 * 1024);
    let connecting = StoreClient::connect(here);
    tokio::time::timeout(Duration::from_millis(10), connecting).await.unwrap_err();
    let mut said = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut there, &mut said);
    tokio::time::timeout(Duration::from_millis(1500), ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hook_says_what_leaves_in_the_place_of_an_error() {
    let (here, there) = duplex(64 * 1024);
    let quiet = |error: &Error| match error.is_panic() {
        true => Error::application("the service has failed"),
        false => error.clone(),
    };
    let options = SessionOptions::new().serve(StoreClient::new(Memory::default())).errors(quiet);
    let _serving = options.start(there).unwrap();
    let store = StoreClient::connect(here).await.unwrap();
    let error = store.panics().await.unwrap_err();
    assert!(error.is_application() && !error.to_string().contains("fire"), "{error}");
}

/// The text of such an error would tell how the other program is built.
#[test]
fn an_error_of_the_program_around_a_handler_stays_there_under_a_reference() {
    let (recorder, _listening) = crate::recorder::Recorder::listen();
    let (here, there) = duplex(64 * 1024);
    let serving = SessionOptions::new().serve(StoreClient::new(Memory::default())).spawn();
    let ((_serving, serve), (session, drive)) = (serving.over(there), SessionOptions::new().over(here));
    let store: StoreClient = session.client();
    let error = crate::block_on(async {
        tokio::select! {
            answer = store.nothing() => answer.unwrap_err(),
            ((), ()) = async { tokio::join!(serve, drive) } => unreachable!("the call comes first"),
        }
    });
    let text = error.to_string();
    assert!(text.contains("an internal error") && !text.contains("tokio runtime"), "{text}");
    let reference = error.reference().unwrap();
    let heard = format!("{:?}", recorder.heard().events);
    assert!(heard.contains(reference) && heard.contains("no tokio runtime"), "{heard}");
}

/// Whose values nest as deep as the program likes.
mod deep {
    use rpc_runtime::{Result, message, service};

    #[message]
    #[derive(Debug, Default)]
    pub(super) struct Branch {
        pub(super) below: Option<Box<Self>>,
    }

    #[service]
    pub(super) trait Forest {
        async fn plant(&self, branch: Branch) -> Result<()>;
        async fn grow(&self, levels: u32) -> Result<Branch>;
    }

    pub(super) fn branch(levels: u32) -> Branch {
        (0..levels).fold(Branch::default(), |below, _| Branch { below: Some(Box::new(below)) })
    }

    pub(super) struct Ground;

    impl Forest for Ground {
        async fn plant(&self, _: Branch) -> Result<()> {
            Ok(())
        }

        async fn grow(&self, levels: u32) -> Result<Branch> {
            Ok(branch(levels))
        }
    }
}

#[tokio::test]
async fn a_value_that_nests_too_deep_fails_its_own_call() {
    use deep::{Forest as _, ForestClient, Ground, branch};
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(ForestClient::new(Ground), there));
    let forest = ForestClient::connect(here).await.unwrap();
    forest.plant(branch(63)).await.unwrap();
    for levels in [64, 3_000] {
        let error = forest.plant(branch(levels)).await.unwrap_err();
        assert!(error.is_limit(), "{error}");
        let text = error.to_string();
        assert!(text.contains("128 levels of nesting in argument `branch` of `Forest/plant`"), "{text}");
        let error = forest.grow(levels).await.unwrap_err();
        assert!(error.is_limit(), "{error}");
        let text = error.to_string();
        assert!(text.contains("128 levels of nesting in the result of `Forest/grow`"), "{text}");
    }
    forest.grow(63).await.unwrap();
}
