//! What a caller is told of a call that failed.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use rpc_runtime::config::Config;
use rpc_runtime::{
    CallOptions, Cause, Client, Ctx, Entrypoint, Env, Error, Fetch, Host, Interceptor, Limits, Next, Outcome,
    Outgoing, Request, Response, Result, Worker, message, service,
};

use crate::drive::{block_on, pause};
use crate::step::{Step, StepClient, relay, step};

/// The answers of all predicates that are true.
fn answers(error: &Error) -> Vec<&'static str> {
    let all = [
        ("unavailable", error.is_unavailable()),
        ("disconnected", error.is_disconnected()),
        ("deadline", error.is_deadline()),
        ("cancelled", error.is_cancelled()),
        ("overloaded", error.is_overloaded()),
        ("limit", error.is_limit()),
        ("not found", error.is_not_found()),
        ("contract", error.is_contract()),
        ("decode", error.is_decode()),
        ("panic", error.is_panic()),
        ("denied", error.is_denied()),
        ("application", error.is_application()),
        ("remote", error.is_remote()),
        ("retryable", error.is_retryable()),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

/// The same, without what speaks of the path.
pub(crate) fn kinds(error: &Error) -> Vec<&'static str> {
    answers(error).into_iter().filter(|answer| *answer != "remote").collect()
}

/// A failing call of each kind that can be made in one process.
fn made() -> Vec<Error> {
    let error_of = |client: StepClient| block_on(client.run(0)).unwrap_err();
    vec![
        Error::denied("no"),
        Error::not_found("the key `a`"),
        Error::application("disk full"),
        error_of(step(|_| async { std::panic::resume_unwind(Box::new("boom")) })),
        error_of(step(|_| async { Err(Error::denied("inside")) })),
        error_of(relay(step(|_| async { Ok(0) })).with(CallOptions::new().limits(Limits::new().depth(1)))),
        error_of(step(|_| async { Ok(0) }).with(CallOptions::new().deadline(Duration::ZERO))),
        Error::application(std::io::Error::other(Chain::of(&["low", "lower"]))),
    ]
}

/// An error with sources below it.
#[derive(Debug)]
struct Chain(&'static str, Option<Box<Self>>);

impl Chain {
    fn of(messages: &[&'static str]) -> Self {
        let below = messages.get(1..).filter(|below| !below.is_empty());
        Self(messages[0], below.map(|below| Box::new(Self::of(below))))
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Chain {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|below| below as &(dyn StdError + 'static))
    }
}

fn sources(error: &Error) -> Vec<String> {
    std::iter::successors(error.source(), |source| (*source).source()).map(ToString::to_string).collect()
}

#[test]
fn each_kind_answers_to_its_predicate_alone() {
    let kinds: Vec<_> = made().iter().map(answers).collect();
    let expected =
        ["denied", "not found", "application", "panic", "denied", "limit", "deadline", "application"];
    assert_eq!(kinds, expected.map(|kind| vec![kind]));
}

#[test]
fn overload_speaks_of_the_call_of_who_is_refused() {
    struct Full;

    impl Interceptor for Full {
        async fn around(&self, _: &Outgoing, _: Next) -> Outcome {
            Outcome::refused(Error::overloaded("enough"))
        }
    }

    let inside = step(|_| async {
        let made = Error::overloaded("9 jobs wait");
        assert_eq!(answers(&made), ["overloaded"]);
        Err(made)
    });
    let error = block_on(inside.run(0)).unwrap_err();
    assert_eq!(answers(&error), [""; 0], "a handler ran");
    assert!(error.to_string().starts_with("overloaded: 9 jobs wait"), "{error}");
    let before = step(|_| async { unreachable!("nobody gets here") });
    let error = block_on(before.with(CallOptions::new().interceptor(Full)).run(0)).unwrap_err();
    assert_eq!(answers(&error), ["overloaded"]);
}

#[test]
fn an_error_says_what_happened_and_where() {
    let texts: Vec<_> = made().iter().map(ToString::to_string).collect();
    assert_eq!(&texts[..3], ["denied: no", "not found: the key `a`", "disk full"]);

    struct Front(BackClient);
    struct Behind;

    #[service]
    trait Back {
        async fn fail(&self) -> Result<()>;
    }

    impl Back for Behind {
        async fn fail(&self) -> Result<()> {
            pause().await;
            Err(Error::not_found("it"))
        }
    }

    impl Step for Front {
        async fn run(&self, input: u32) -> Result<u32> {
            self.0.fail().await?;
            Ok(input)
        }
    }

    let error = block_on(StepClient::new(Front(BackClient::new(Behind))).run(0)).unwrap_err();
    assert_eq!(error.to_string(), "not found: it (Front Step/run > Behind Back/fail)");
    let hops: Vec<_> = error.hops().iter().map(|hop| (hop.worker(), hop.service(), hop.method())).collect();
    assert_eq!(hops, [("Front", "Step", "run"), ("Behind", "Back", "fail")]);
    assert_eq!(error.hops()[1].to_string(), "Behind Back/fail");
    let debug = format!("{error:?}");
    assert!(debug.starts_with("Error { kind: NotFound(\"it\"), hops: ["), "{debug}");
    assert!(!debug.contains("source") && !debug.contains("remote"), "{debug}");
}

#[test]
fn the_messages_below_an_application_error_are_kept() {
    let error = Error::application(Chain::of(&["top", "middle", "bottom"]));
    assert_eq!(error.to_string(), "top");
    assert_eq!(sources(&error), ["middle", "bottom"]);
    assert!(sources(&Error::application("alone")).is_empty());
    assert!(format!("{error:?}").contains("middle"));
}

#[test]
fn errors_of_one_kind_with_one_message_are_equal() {
    assert_eq!(Error::denied("a"), Error::denied("a"));
    assert_ne!(Error::denied("a"), Error::denied("b"));
    assert_ne!(Error::denied("a"), Error::not_found("a"));
    assert_ne!(Error::application("a"), Error::denied("a"));
    let far = block_on(relay(step(|_| async { Err(Error::denied("a")) })).run(0)).unwrap_err();
    assert_eq!(far, Error::denied("a"));
    assert_eq!(far.clone(), far);
}

#[test]
fn an_error_is_a_value() {
    fn is_value<T: Clone + Send + Sync + Unpin + StdError + 'static>() {}
    is_value::<Error>();
    let boxed: Box<dyn StdError + Send + Sync> = Error::denied("no").into();
    assert!(boxed.downcast_ref::<Error>().is_some_and(Error::is_denied));
}

#[test]
fn an_error_travels_by_postcard_and_by_json() {
    for error in made() {
        let bytes = postcard::to_stdvec(&error).unwrap();
        let json = serde_json::to_string(&error).unwrap();
        let back: [Error; 2] = [postcard::from_bytes(&bytes).unwrap(), serde_json::from_str(&json).unwrap()];
        for back in back {
            assert_eq!(back, error);
            assert_eq!(back.to_string(), error.to_string());
            assert_eq!(back.hops(), error.hops());
            assert_eq!(sources(&back), sources(&error));
            assert!(back.is_remote());
            let mut expected = answers(&error);
            expected.push("remote");
            assert_eq!(answers(&back), expected);
            // However often it goes on.
            let further: Error = postcard::from_bytes(&postcard::to_stdvec(&back).unwrap()).unwrap();
            assert_eq!((further.to_string(), further.is_remote()), (error.to_string(), true));
        }
    }
}

#[test]
fn what_came_from_elsewhere_speaks_of_no_call_made_here() {
    let kinds = ["unavailable", "disconnected", "deadline", "cancelled", "overloaded"];
    for (kind, name) in (0..).zip(kinds) {
        let text = format!(
            r#"{{"kind":{kind},"text":"gone","value":null,"hops":[],"sources":["a","b"],"reference":"7f3a"}}"#
        );
        let error: Error = serde_json::from_str(&text).unwrap();
        let own = matches!(name, "unavailable" | "overloaded");
        let expected = if own { vec!["remote"] } else { vec![name, "remote"] };
        assert_eq!(answers(&error), expected);
        assert_eq!(error.reference(), Some("7f3a"));
        assert!(error.to_string().ends_with(", reference 7f3a"), "{error}");
        assert_eq!(sources(&error), ["a", "b"]);
        // Nor inside of a call.
        let client = step(move |_| {
            let error = error.clone();
            async move {
                assert!(!error.is_unavailable() && !error.is_overloaded() && !error.is_retryable());
                Err(error)
            }
        });
        assert!(!block_on(client.run(0)).unwrap_err().is_retryable());
    }
}

#[test]
fn what_is_not_an_error_is_refused() {
    let text = r#"{"kind":99,"text":"","value":null,"hops":[],"sources":[],"reference":null}"#;
    let refused = serde_json::from_str::<Error>(text).unwrap_err();
    assert!(refused.to_string().starts_with("99 is not a kind of error"), "{refused}");
    for bytes in [&[][..], &[255], &[0, 255, 255, 255, 255, 15], &[0; 3]] {
        assert!(postcard::from_bytes::<Error>(bytes).is_err());
    }
}

#[test]
fn a_chain_of_sources_has_an_end() {
    let messages: Vec<_> = (0..100).map(|at| &*format!("cause {at}").leak()).collect();
    let error = Error::application(Chain::of(&messages));
    assert_eq!(sources(&error).len(), 16);
    let back: Error = postcard::from_bytes(&postcard::to_stdvec(&error).unwrap()).unwrap();
    assert_eq!(sources(&back), sources(&error));
}

#[message]
#[derive(Debug)]
enum RelayError {
    Full,
    Rpc(Error),
}

impl From<Error> for RelayError {
    fn from(error: Error) -> Self {
        Self::Rpc(error)
    }
}

#[service]
trait Ask {
    async fn ask(&self) -> Result<u32, RelayError>;
}

/// What each Worker saw, under its name.
static SEEN: Mutex<Option<HashMap<&'static str, Seen>>> = Mutex::new(None);

#[derive(Debug, PartialEq)]
struct Seen {
    answers: Vec<&'static str>,
    hops: Vec<String>,
    text: String,
}

fn see(name: &'static str, error: &Error) {
    let hops = error.hops().iter().map(ToString::to_string).collect();
    let seen = Seen { answers: answers(error), hops, text: error.to_string() };
    SEEN.lock().unwrap().get_or_insert_default().insert(name, seen);
}

/// Asks the last one, which is not there yet.
struct First {
    last: AskClient,
}

#[derive(Env)]
struct FirstEnv {
    last: AskClient,
}

impl Worker for First {
    type Env = FirstEnv;

    async fn new(env: FirstEnv) -> Result<Self> {
        Ok(Self { last: env.last })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AskClient>()
    }
}

impl Ask for First {
    async fn ask(&self) -> Result<u32, RelayError> {
        let error = self.last.ask().await.unwrap_err();
        see("first", error.rpc().unwrap());
        let last = self.last.clone();
        let elsewhere = tokio::spawn(async move { last.ask().await.unwrap_err() }).await.unwrap();
        see("first, of its task", elsewhere.rpc().unwrap());
        if Ctx::with(|ctx| ctx.metadata("which") == Some("task")) { Err(elsewhere) } else { Err(error) }
    }
}

/// Asks the first one while it is made, when the last one is not.
struct Middle;

#[derive(Env)]
struct MiddleEnv {
    first: AskClient,
    last: AskClient,
}

impl Worker for Middle {
    type Env = MiddleEnv;

    async fn new(env: MiddleEnv) -> Result<Self> {
        let handed_up = env.first.ask().await.unwrap_err();
        see("handed up", handed_up.rpc().unwrap());
        let of_task = env.first.with(CallOptions::new().metadata("which", "task")).ask().await.unwrap_err();
        see("handed up, of a task", of_task.rpc().unwrap());
        see("direct", env.last.ask().await.unwrap_err().rpc().unwrap());

        // Calls through bindings are subrequests; those of a client made here are not.
        let (first, own) = (env.last.clone(), step(|input| async move { Ok(input) }));
        let counting = step(move |_| {
            let (bound, own) = (first.clone(), own.clone());
            async move {
                own.run(0).await?;
                let mut made = 0;
                while !bound.ask().await.is_err_and(|error| error.rpc().is_some_and(Error::is_limit)) {
                    made += 1;
                    own.run(0).await?;
                }
                see("subrequests", bound.ask().await.unwrap_err().rpc().unwrap());
                own.run(0).await?;
                Ok(made * 1000 + Ctx::with(|ctx| ctx.remaining()).unwrap().subrequests)
            }
        });
        let limits = Limits::new().subrequests(5);
        let made = counting.with(CallOptions::new().limits(limits)).run(0).await?;
        assert_eq!(made, 5000);
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AskClient>()
    }
}

impl Ask for Middle {
    async fn ask(&self) -> Result<u32, RelayError> {
        Ok(7)
    }
}

/// Bound in a circle, so that it is made after the others, which are made for it.
struct Last {
    middle: AskClient,
}

#[derive(Env)]
struct LastEnv {
    middle: AskClient,
}

impl Worker for Last {
    type Env = LastEnv;

    async fn new(env: LastEnv) -> Result<Self> {
        Ok(Self { middle: env.middle })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AskClient>().fetch()
    }
}

impl Ask for Last {
    async fn ask(&self) -> Result<u32, RelayError> {
        self.middle.ask().await
    }
}

impl Fetch for Last {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Err(Error::not_found("anything"))
    }
}

#[test]
fn an_error_speaks_of_the_call_of_who_made_it() {
    let config = |name: &str, services: &str| {
        let text = format!("name = \"{name}\"\nmain = \"{name}\"\nservices = [{services}]\n");
        Config::parse(format!("{name}/worker.toml"), text).unwrap()
    };
    let binding = |name: &str| format!(r#"{{ binding = "{}", service = "{name}" }},"#, name.to_uppercase());
    let configs = vec![
        config("last", &binding("middle")),
        config("middle", &(binding("first") + &binding("last"))),
        config("first", &binding("last")),
    ];
    let host = Host::new().threads(1);
    let host = host.worker::<First>("first").worker::<Middle>("middle").worker::<Last>("last");
    host.start(configs, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().stop();

    let seen = SEEN.lock().unwrap().take().unwrap();
    let is = |name: &str| &seen[name];
    assert_eq!(is("first").answers, ["unavailable", "retryable"]);
    assert_eq!(is("first").hops, ["first Ask/ask", "last Ask/ask"]);
    assert_eq!(is("first").text, "unavailable: the Worker is not started (first Ask/ask > last Ask/ask)");
    assert_eq!(is("direct").answers, ["unavailable", "retryable"]);
    assert_eq!(is("direct").hops, ["last Ask/ask"]);
    // The first one ran: running it again is not safe, whatever failed below it.
    assert_eq!(is("handed up").answers, [""; 0]);
    assert_eq!(is("handed up").hops, ["first Ask/ask", "last Ask/ask"]);
    assert_eq!(is("handed up, of a task").answers, [""; 0]);
    assert_eq!(is("subrequests").answers, ["limit"]);
    assert!(is("subrequests").text.starts_with("the limit of 5 subrequests is reached"));
}
