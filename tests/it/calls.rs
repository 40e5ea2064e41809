//! A call is a call of a trait's method, whoever implements the trait.

use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::task::Poll;

use rpc_runtime::{
    Body, Cause, Client, Entrypoint, Error, Fetch, LocalFetch, Request, Response, Result, Worker, service,
};
use serde::{Deserialize, Serialize};

use crate::drive::{block_on, pause, poll_once};
use crate::step::{Step, StepClient, step};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum AuthError {
    Refused,
    Expired { since: u64, by: String },
    Rpc(Error),
}

impl From<Error> for AuthError {
    fn from(error: Error) -> Self {
        Self::Rpc(error)
    }
}

impl Cause for AuthError {
    fn rpc(&self) -> Option<&Error> {
        match self {
            Self::Rpc(error) => Some(error),
            Self::Refused | Self::Expired { .. } => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Query<'a> {
    #[serde(borrow)]
    text: &'a str,
}

#[expect(clippy::too_many_arguments, reason = "one of every kind")]
#[service]
trait Auth {
    async fn verify(&self, token: &str) -> Result<User, AuthError>;
    async fn all(
        &self,
        text: &str,
        bytes: &[u8],
        user: &User,
        users: &[User],
        maybe: Option<&str>,
        query: Query<'_>,
        owned: (Vec<u8>, String),
    ) -> Result<String>;
}

/// A Worker that counts.
#[derive(Default)]
struct Accounts {
    calls: AtomicU32,
}

impl Auth for Accounts {
    async fn verify(&self, token: &str) -> Result<User, AuthError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        pause().await;
        match token {
            "t0ken" => Ok(User { id: 7, name: "ada".into() }),
            "old" => Err(AuthError::Expired { since: 1815, by: token.into() }),
            "broken" => Err(Error::denied("not today"))?,
            _ => Err(AuthError::Refused),
        }
    }

    async fn all(
        &self,
        text: &str,
        bytes: &[u8],
        user: &User,
        users: &[User],
        maybe: Option<&str>,
        query: Query<'_>,
        owned: (Vec<u8>, String),
    ) -> Result<String> {
        pause().await;
        let Query { text: asked } = query;
        Ok(format!("{text} {bytes:?} {} {} {maybe:?} {asked} {owned:?}", user.name, users.len()))
    }
}

#[test]
fn values_arrive_and_come_back() {
    let auth = AuthClient::new(Accounts::default());
    assert_eq!(block_on(auth.verify("t0ken")), Ok(User { id: 7, name: "ada".into() }));
    let user = User { id: 1, name: "bob".into() };
    let users = [user.clone(), user.clone()];
    let all = auth.all(
        "text",
        &[1, 2],
        &user,
        &users,
        Some("some"),
        Query { text: "query" },
        (vec![3], "s".into()),
    );
    assert_eq!(block_on(all).unwrap(), r#"text [1, 2] bob 2 Some("some") query ([3], "s")"#);
}

#[test]
fn the_services_own_error_arrives_as_the_same_variant() {
    let auth = AuthClient::new(Accounts::default());
    assert_eq!(block_on(auth.verify("")), Err(AuthError::Refused));
    assert_eq!(block_on(auth.verify("old")), Err(AuthError::Expired { since: 1815, by: "old".into() }));
    let Err(AuthError::Rpc(error)) = block_on(auth.verify("broken")) else { panic!("a variant of its own") };
    assert!(error.is_denied());
}

/// A decorator: an implementation around an implementation.
struct Logged<A> {
    inner: A,
    log: Arc<Mutex<Vec<String>>>,
}

impl<A: Auth> Auth for Logged<A> {
    async fn verify(&self, token: &str) -> Result<User, AuthError> {
        self.log.lock().unwrap().push(format!("verify {token}"));
        let user = self.inner.verify(token).await;
        self.log.lock().unwrap().push(format!("verified {}", user.is_ok()));
        user
    }

    async fn all(
        &self,
        text: &str,
        bytes: &[u8],
        user: &User,
        users: &[User],
        maybe: Option<&str>,
        query: Query<'_>,
        owned: (Vec<u8>, String),
    ) -> Result<String> {
        self.inner.all(text, bytes, user, users, maybe, query, owned).await
    }
}

async fn name_of(auth: &impl Auth, token: &str) -> Result<String, AuthError> {
    Ok(auth.verify(token).await?.name)
}

#[test]
fn whoever_takes_the_trait_takes_a_client() {
    let auth = AuthClient::new(Accounts::default());
    assert_eq!(block_on(name_of(&Accounts::default(), "t0ken")).unwrap(), "ada");
    assert_eq!(block_on(name_of(&auth, "t0ken")).unwrap(), "ada");
    assert_eq!(block_on(name_of(&auth, "")), Err(AuthError::Refused));
}

#[test]
fn decorators_and_clients_stand_around_each_other() {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let inner = AuthClient::new(Logged { inner: Accounts::default(), log: Arc::clone(&log) });
    let outer = AuthClient::new(Logged { inner, log: Arc::clone(&log) });
    assert_eq!(block_on(name_of(&outer, "t0ken")).unwrap(), "ada");
    assert_eq!(*log.lock().unwrap(), ["verify t0ken", "verify t0ken", "verified true", "verified true"]);
}

#[test]
fn what_is_shared_with_a_client_stays_in_reach() {
    let accounts = Arc::new(Accounts::default());
    let auth = AuthClient::shared(Arc::clone(&accounts));
    for _ in 0..3 {
        block_on(auth.clone().verify("t0ken")).unwrap();
    }
    assert_eq!(accounts.calls.load(Ordering::SeqCst), 3);
    drop(auth);
    assert_eq!(Arc::strong_count(&accounts), 1);
}

#[test]
fn the_last_client_drops_what_it_owns() {
    struct Noted(Arc<AtomicU32>);

    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Step for Noted {
        async fn run(&self, input: u32) -> Result<u32> {
            Ok(input)
        }
    }

    let drops = Arc::<AtomicU32>::default();
    let first = StepClient::new(Noted(Arc::clone(&drops)));
    let second = first.with(rpc_runtime::CallOptions::new().metadata("key", "value"));
    drop(first);
    assert_eq!(block_on(second.run(1)).unwrap(), 1);
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    drop(second);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

/// A Worker that offers one of its services, and `fetch`.
struct Offering;

impl Worker for Offering {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<StepClient>().fetch()
    }
}

impl Step for Offering {
    async fn run(&self, input: u32) -> Result<u32> {
        Ok(input * 2)
    }
}

impl Fetch for Offering {
    async fn fetch(&self, request: Request) -> Result<Response> {
        Ok(Response::new(Body::from(request.uri().to_string())))
    }
}

#[service]
trait Hidden {
    async fn reach(&self) -> Result<()>;
}

impl Hidden for Offering {
    async fn reach(&self) -> Result<()> {
        unreachable!("its entrypoint does not offer it")
    }
}

fn get(url: &str) -> Request {
    http::Request::get(url).body(Body::none()).unwrap()
}

#[test]
fn a_client_of_a_worker_reaches_what_its_entrypoint_offers() {
    let client = StepClient::from_worker(Offering);
    assert_eq!(block_on(client.run(4)).unwrap(), 8);
    let response = block_on(client.fetch(get("http://any.where:99/at/all?q"))).unwrap();
    assert_eq!(block_on(response.into_body().text()).unwrap(), "http://any.where:99/at/all?q");
}

#[test]
fn a_service_that_is_not_offered_is_refused_by_name() {
    let error = block_on(HiddenClient::from_worker(Offering).reach()).unwrap_err();
    assert!(error.is_not_found() && !error.is_retryable());
    assert_eq!(
        error.to_string(),
        "not found: the entrypoint of `Offering` does not declare the service `Hidden`: add \
         `.service::<HiddenClient>()` to it (Offering Hidden/reach)"
    );
}

#[test]
fn a_client_of_an_implementation_has_no_fetch() {
    let error = block_on(StepClient::new(Offering).fetch(get("http://step/"))).unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains("the Worker has no `fetch`"), "{error}");
    assert!(error.to_string().ends_with("(Offering fetch)"), "{error}");
}

#[test]
fn a_client_may_live_in_a_static_and_in_a_struct() {
    static ONCE: OnceLock<AuthClient> = OnceLock::new();
    static LAZY: LazyLock<AuthClient> = LazyLock::new(|| AuthClient::new(Accounts::default()));

    #[derive(Clone, Debug)]
    struct Holds {
        auth: AuthClient,
        maybe: Option<StepClient>,
    }

    let auth = ONCE.get_or_init(|| AuthClient::new(Accounts::default()));
    assert_eq!(block_on(auth.verify("t0ken")).unwrap().id, 7);
    let elsewhere = std::thread::spawn(|| block_on(LAZY.verify("t0ken")).unwrap().id);
    assert_eq!(elsewhere.join().unwrap(), 7);
    let holds = Holds { auth: LAZY.clone(), maybe: None };
    let cloned = holds.clone();
    drop(holds);
    assert_eq!(block_on(cloned.auth.verify("t0ken")).unwrap().id, 7);
    assert!(cloned.maybe.is_none());
}

#[test]
fn a_client_says_what_it_is_a_client_of() {
    let auth = AuthClient::new(Accounts::default());
    assert_eq!(format!("{auth:?}"), r#"Client { service: "Auth", worker: "Accounts" }"#);
    let options = rpc_runtime::CallOptions::new().metadata("token", "s3cret");
    let text = format!("{:?}", auth.with(options));
    assert!(text.contains("token") && !text.contains("s3cret"), "{text}");
}

#[test]
fn clients_and_their_calls_may_change_threads() {
    fn is_value<T: Clone + Debug + Send + Sync + Unpin + 'static>() {}
    fn is_send<T: Send>(value: T) -> T {
        value
    }

    is_value::<AuthClient>();
    is_value::<StepClient>();
    let auth = AuthClient::new(Accounts::default());
    let call = is_send(auth.verify("t0ken"));
    assert_eq!(block_on(call).unwrap().id, 7);
    assert!(block_on(is_send(auth.fetch(get("http://auth/")))).is_err());
}

/// What stays in its thread: counted arguments, closures, clients of its kind.
#[service(local)]
trait Drawing {
    async fn draw(&self, text: Rc<str>, each: &mut_free::Each<'_>) -> Result<Rc<str>>;
    async fn pass(&self, to: DrawingClient, text: Rc<str>) -> Result<Rc<str>>;
}

mod mut_free {
    pub(super) type Each<'a> = dyn Fn(&str) + 'a;
}

#[derive(Default)]
struct Board {
    drawn: RefCell<Vec<Rc<str>>>,
}

impl Drawing for Board {
    async fn draw(&self, text: Rc<str>, each: &mut_free::Each<'_>) -> Result<Rc<str>> {
        text.split(' ').for_each(each);
        pause().await;
        self.drawn.borrow_mut().push(Rc::clone(&text));
        Ok(text)
    }

    async fn pass(&self, to: DrawingClient, text: Rc<str>) -> Result<Rc<str>> {
        to.draw(text, &|_| ()).await
    }
}

impl Worker for Board {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self::default())
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<DrawingClient>().local_fetch()
    }
}

impl LocalFetch for Board {
    async fn fetch(&self, _: Request) -> Result<Response> {
        let drawn = self.drawn.borrow().len();
        pause().await;
        Ok(Response::new(Body::from(drawn.to_string())))
    }
}

#[test]
fn a_local_service_takes_what_never_leaves_its_thread() {
    let words = RefCell::new(Vec::new());
    let (one, other) = (DrawingClient::from_worker(Board::default()), DrawingClient::new(Board::default()));
    let text: Rc<str> = "two words".into();
    let drawn =
        block_on(one.draw(Rc::clone(&text), &|word| words.borrow_mut().push(word.to_owned()))).unwrap();
    assert!(Rc::ptr_eq(&drawn, &text));
    assert_eq!(words.into_inner(), ["two", "words"]);
    let passed = block_on(other.pass(one.clone(), Rc::clone(&text))).unwrap();
    assert!(Rc::ptr_eq(&passed, &text));
    let response = block_on(one.fetch(get("http://board/"))).unwrap();
    assert_eq!(block_on(response.into_body().text()).unwrap(), "2");
}

#[test]
fn a_call_that_is_not_polled_does_nothing() {
    let accounts = Arc::new(Accounts::default());
    let auth = AuthClient::shared(Arc::clone(&accounts));
    drop(auth.verify("t0ken"));
    let call = auth.verify("t0ken");
    assert_eq!(accounts.calls.load(Ordering::SeqCst), 0);
    block_on(call).unwrap();
    assert_eq!(accounts.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn calls_begin_in_the_order_of_their_first_polls() {
    let order = Arc::<Mutex<Vec<u32>>>::default();
    let noted = Arc::clone(&order);
    let client = step(move |input| {
        noted.lock().unwrap().push(input);
        async move {
            pause().await;
            Ok(input)
        }
    });
    let mut calls: Vec<_> = (0..8).map(|input| Box::pin(client.run(input))).collect();
    for at in [3, 1, 7, 0, 2, 6, 5, 4] {
        assert!(poll_once(calls[at].as_mut()).is_pending());
    }
    for call in &mut calls {
        assert!(matches!(poll_once(call.as_mut()), Poll::Ready(Ok(_))));
    }
    assert_eq!(*order.lock().unwrap(), [3, 1, 7, 0, 2, 6, 5, 4]);
}

#[tokio::test]
async fn calls_stand_in_select_and_join() {
    let never = step(|_| std::future::pending());
    let soon = step(|input| async move {
        tokio::task::yield_now().await;
        Ok(input)
    });
    let winner = tokio::select! {
        _ = never.run(1) => unreachable!("it never ends"),
        answer = soon.run(2) => answer.unwrap(),
    };
    assert_eq!(winner, 2);
    let (one, two, three) = tokio::join!(soon.run(1), soon.run(2), soon.run(3));
    assert_eq!([one.unwrap(), two.unwrap(), three.unwrap()], [1, 2, 3]);
    let hidden = HiddenClient::from_worker(Offering);
    assert!(tokio::try_join!(soon.run(1), hidden.reach()).unwrap_err().is_not_found());
}

#[test]
fn polling_a_call_after_its_end_says_so() {
    let ready = step(|input| async move { Ok(input) });
    let slow = step(|input| async move {
        pause().await;
        Ok(input)
    });
    for client in [ready.clone(), slow, ready.with(rpc_runtime::CallOptions::new().interceptor(Through))] {
        let mut call = pin!(client.run(1));
        while poll_once(call.as_mut()).is_pending() {}
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(call.as_mut()).is_pending()));
        let payload = polled.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"a call was polled after it had ended"));
    }
}

struct Through;

impl rpc_runtime::Interceptor for Through {
    async fn around(&self, _: &rpc_runtime::Outgoing, next: rpc_runtime::Next) -> rpc_runtime::Outcome {
        next.run().await
    }
}

#[test]
fn a_worker_may_hold_a_client_of_itself() {
    struct Countdown {
        itself: OnceLock<StepClient>,
    }

    impl Step for Countdown {
        async fn run(&self, input: u32) -> Result<u32> {
            match input {
                0 => Ok(0),
                _ => Ok(self.itself.get().unwrap().run(input - 1).await? + 1),
            }
        }
    }

    let worker = Arc::new(Countdown { itself: OnceLock::new() });
    let client = StepClient::shared(Arc::clone(&worker));
    worker.itself.set(client.clone()).unwrap();
    assert_eq!(block_on(client.run(20)).unwrap(), 20);
    assert_eq!(block_on(client.run(31)).unwrap(), 31);
    let error = block_on(client.run(32)).unwrap_err();
    assert!(error.is_limit(), "{error}");
}

#[test]
fn a_client_is_an_argument_a_result_and_a_part_of_one() {
    #[service(local)]
    trait Broker {
        async fn find(&self, among: Vec<StepClient>, at: u32) -> Result<Option<StepClient>>;
    }

    struct Market;

    impl Broker for Market {
        async fn find(&self, mut among: Vec<StepClient>, at: u32) -> Result<Option<StepClient>> {
            Ok(((at as usize) < among.len()).then(|| among.swap_remove(at as usize)))
        }
    }

    let broker = BrokerClient::new(Market);
    let clients = vec![step(|_| async { Ok(10) }), step(|_| async { Ok(20) })];
    let found = block_on(broker.find(clients.clone(), 1)).unwrap().unwrap();
    assert_eq!(block_on(found.run(0)).unwrap(), 20);
    assert!(block_on(broker.find(clients, 2)).unwrap().is_none());
}
