//! Clients of itself that a Worker hands out, with props of its choice.

use rpc_runtime::{CallOptions, Ctx, Export};
use serde::{Deserialize, Serialize};

use super::{starting::told, *};

#[service]
trait Notes {
    async fn owner(&self) -> Result<String>;
    /// Calls itself so many times more, one inside the other.
    async fn again(&self, left: u32) -> Result<u32>;
}

#[service]
trait Ledger {
    async fn total(&self) -> Result<i64>;
}

#[service]
trait Desk {
    /// The notes of a tenant, and of no other.
    async fn open(&self, tenant: &str) -> Result<NotesClient>;
    /// What a client of that tenant can do beyond notes.
    async fn ledger(&self, account: i64) -> Result<LedgerClient>;
    async fn anonymous(&self) -> Result<NotesClient>;
    /// What is wrong with the props that this makes.
    async fn wrong(&self) -> Result<Vec<String>>;
    /// How much was counted while 100 clients were made: invocations and subrequests.
    async fn costs(&self) -> Result<(u32, u32)>;
}

#[derive(Serialize, Deserialize)]
struct Tenant {
    tenant: String,
    #[serde(default)]
    limits: Vec<Option<f64>>,
}

impl Tenant {
    fn of(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), limits: vec![Some(0.5), None] }
    }
}

#[derive(Serialize, Deserialize)]
struct Account {
    account: i64,
}

struct Notebook {
    env: NotebookEnv,
}

#[derive(Env)]
struct NotebookEnv {
    own: Export<NotesClient>,
    #[env(entrypoint = "Ledger")]
    ledger: Export<LedgerClient>,
}

impl Worker for Notebook {
    type Env = NotebookEnv;

    async fn new(env: NotebookEnv) -> Result<Self> {
        // Before there is a Worker, its clients wait for it.
        let early = env.own.with_props(())?.owner().await.unwrap_err();
        assert!(early.is_unavailable(), "{early}");
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint
            .service::<DeskClient>()
            .service::<NotesClient>()
            .fetch()
            .named("Ledger", |ledger| ledger.service::<LedgerClient>())
    }
}

impl Desk for Notebook {
    async fn open(&self, tenant: &str) -> Result<NotesClient> {
        self.env.own.with_props(Tenant::of(tenant))
    }

    async fn ledger(&self, account: i64) -> Result<LedgerClient> {
        self.env.ledger.with_props(&Account { account })
    }

    async fn anonymous(&self) -> Result<NotesClient> {
        self.env.own.with_props(())
    }

    async fn wrong(&self) -> Result<Vec<String>> {
        let Self { env: NotebookEnv { own, .. } } = self;
        let keys = BTreeMap::from([((1, 2), 3)]);
        let wrong = [own.with_props(5), own.with_props("text"), own.with_props([1]), own.with_props(keys)];
        Ok(wrong.into_iter().map(|made| made.unwrap_err().to_string()).collect())
    }

    async fn costs(&self) -> Result<(u32, u32)> {
        let before = Ctx::current().remaining().unwrap();
        for tenant in 0..100 {
            drop(self.open(&tenant.to_string()).await?);
        }
        let after = Ctx::current().remaining().unwrap();
        Ok((before.invocations - after.invocations, before.subrequests - after.subrequests))
    }
}

impl Notes for Notebook {
    async fn owner(&self) -> Result<String> {
        let Tenant { tenant, limits } = Ctx::current().props()?;
        Ok(format!("{tenant} {limits:?} called by {:?}", Ctx::current().caller()))
    }

    async fn again(&self, left: u32) -> Result<u32> {
        if left == 0 {
            return Ok(1);
        }
        let own = self.env.own.with_props(Tenant::of("itself"))?;
        Ok(1 + own.again(left - 1).await?)
    }
}

impl Ledger for Notebook {
    async fn total(&self) -> Result<i64> {
        Ok(Ctx::current().props::<Account>()?.account)
    }
}

impl Fetch for Notebook {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let Tenant { tenant, .. } = Ctx::current().props()?;
        Ok(Response::new(format!("{} of {tenant}", request.uri()).into()))
    }
}

/// Gets clients from the Notebook, and does with them what the path says.
struct Reader {
    env: ReaderEnv,
    kept: Arc<Mutex<Option<NotesClient>>>,
}

#[derive(Env)]
struct ReaderEnv {
    desk: DeskClient,
    kept: Arc<Mutex<Option<NotesClient>>>,
}

impl Worker for Reader {
    type Env = ReaderEnv;

    async fn new(env: ReaderEnv) -> Result<Self> {
        let kept = Arc::clone(&env.kept);
        Ok(Self { env, kept })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Reader {
    async fn read(&self, path: &str) -> Result<String> {
        let desk = &self.env.desk;
        let kept = || self.kept.lock().unwrap().clone().unwrap();
        let (word, rest) = path[1..].split_once('/').unwrap();
        Ok(match word {
            "open" => desk.open(rest).await?.owner().await?,
            "two" => {
                let (one, two) = (desk.open("a1").await?, desk.open("b2").await?);
                let other = one.with(CallOptions::new().metadata("tenant", "forged"));
                format!("{} | {} | {}", two.owner().await?, one.owner().await?, other.owner().await?)
            }
            "ledger" => {
                desk.ledger(rest.parse().map_err(Error::application)?).await?.total().await?.to_string()
            }
            "ledger-fetch" => desk.ledger(7).await?.fetch("http://ledger/").await.unwrap_err().to_string(),
            "site" => {
                let notes = desk.open(rest).await?;
                notes.fetch("http://site/a").await?.into_body().text().await?
            }
            "anonymous" => desk.anonymous().await?.owner().await.unwrap_err().to_string(),
            "keep" => {
                *self.kept.lock().unwrap() = Some(desk.open(rest).await?);
                "kept".to_owned()
            }
            "kept" => kept().owner().await?,
            "wrong" => desk.wrong().await?.join("\n"),
            "costs" => format!("{:?}", desk.costs().await?),
            "used" => {
                let notes = desk.open("a1").await?;
                let before = Ctx::current().remaining().unwrap();
                notes.owner().await?;
                let after = Ctx::current().remaining().unwrap();
                let used = (before.invocations - after.invocations, before.subrequests - after.subrequests);
                format!("{used:?}")
            }
            _ => desk.open("a1").await?.again(rest.parse().map_err(Error::application)?).await?.to_string(),
        })
    }
}

impl Fetch for Reader {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let told = self.read(request.uri().path()).await;
        Ok(Response::new(told.unwrap_or_else(|error| error.to_string()).into()))
    }
}

const READER: &str =
    "name = 'reader'\nmain = 'reader'\nservices = [{ binding = 'DESK', service = 'notebook' }]";

const NOTEBOOK: &str = "name = 'notebook'\nmain = 'notebook'";

fn host() -> Host {
    let kept = Arc::new(Mutex::new(None::<NotesClient>));
    Host::new().threads(2).worker::<Reader>("reader").worker::<Notebook>("notebook").shared(kept)
}

fn running() -> Running {
    on_a_free_port(host(), &[READER, NOTEBOOK]).unwrap()
}

#[test]
fn a_worker_hands_out_clients_of_itself_with_props_of_its_choice() {
    let running = running();
    let get = |path| get(running.address(), path).body;
    let of = |tenant| format!("{tenant} [Some(0.5), None] called by Some(\"reader\")");
    assert_eq!(get("/open/a1"), of("a1"));
    assert_eq!(get("/two/"), [of("b2"), of("a1"), of("a1")].join(" | "));
    assert_eq!(get("/site/c3"), "http://site/a of c3");
    assert_eq!(get("/ledger/-9223372036854775808"), i64::MIN.to_string());
}

#[test]
fn such_a_client_reaches_its_entrypoint_and_no_other() {
    let told = get(running().address(), "/ledger-fetch/").body;
    assert!(told.starts_with("not found: the Worker has no `fetch`"), "{told}");
}

#[test]
fn such_a_client_can_be_kept_and_used_on_any_thread_for_any_request() {
    let running = running();
    assert_eq!(get(running.address(), "/keep/a1").body, "kept");
    // Each connection is another thread's.
    for _ in 0..4 {
        assert!(get(running.address(), "/kept/").body.starts_with("a1 "));
    }
}

#[test]
fn props_that_are_not_what_the_worker_reads_are_told() {
    let running = running();
    let get = |path| get(running.address(), path).body;
    let hops = "(reader fetch > notebook Notes/owner)";
    assert_eq!(
        get("/anonymous/"),
        format!(
            "a client of an `Export` has no props, which `notebook` reads: props: missing key, expected a key \
             `tenant`, received nothing {hops}"
        )
    );
    let told = get("/wrong/");
    let told: Vec<_> = told.lines().collect();
    let why = "the props for a client of `notebook` are no props: expected a structure or a map, received";
    assert_eq!(told[0], format!("{why} the integer 5 (reader fetch > notebook Desk/wrong)"));
    assert!(told[1].starts_with(&format!("{why} the string \"text\"")), "{told:?}");
    assert!(told[2].starts_with(&format!("{why} an array")), "{told:?}");
    assert!(told[3].contains("key must be a string"), "{told:?}");
}

#[test]
fn making_such_a_client_counts_as_nothing_and_each_call_as_one_through_a_binding() {
    let running = running();
    assert_eq!(get(running.address(), "/costs/").body, "(0, 0)");
    assert_eq!(get(running.address(), "/used/").body, "(1, 1)");
    // The request, the call of `open`, and those of `again`.
    assert_eq!(get(running.address(), "/again/30").body, "31");
    let refused = get(running.address(), "/again/31").body;
    assert!(refused.starts_with("the limit of 32 Workers deep is reached"), "{refused}");
    let few = format!("{READER}\nlimits = {{ subrequests = 3 }}");
    let running = on_a_free_port(host(), &[&few, NOTEBOOK]).unwrap();
    assert_eq!(get(running.address(), "/again/1").body, "2");
    let refused = get(running.address(), "/again/2").body;
    assert!(refused.starts_with("the limit of 3 subrequests is reached"), "{refused}");
}

#[test]
fn a_test_fills_the_field_in_by_hand() {
    struct Fake;

    impl Ledger for Fake {
        async fn total(&self) -> Result<i64> {
            Ok(2 * Ctx::current().props::<Account>()?.account)
        }
    }

    let ledger = Export::<LedgerClient>::new(Fake);
    assert_eq!(format!("{ledger:?}"), "Export { service: \"Ledger\", worker: \"Fake\" }");
    on_tokio(async {
        assert_eq!(ledger.with_props(Account { account: 21 }).unwrap().total().await.unwrap(), 42);
        let told = ledger.with_props(()).unwrap().total().await.unwrap_err().to_string();
        assert!(told.starts_with("a client of an `Export` has no props, which `Fake` reads"), "{told}");
    });
}

/// Wants of itself what it does not offer.
struct Lost;

#[derive(Env)]
struct LostEnv {
    #[env(entrypoint = "Legder")]
    #[expect(dead_code, reason = "there are faults before")]
    misspelt: Export<LedgerClient>,
    #[expect(dead_code, reason = "there are faults before")]
    elsewhere: Export<LedgerClient>,
    #[env(entrypoint = "Ledger")]
    #[expect(dead_code, reason = "there are faults before")]
    default: Export<Fetcher>,
    #[expect(dead_code, reason = "there are faults before")]
    nowhere: Option<Export<DeskClient>>,
}

impl Worker for Lost {
    type Env = LostEnv;

    async fn new(_: LostEnv) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch().named("Ledger", |ledger| ledger.service::<LedgerClient>())
    }
}

impl Ledger for Lost {
    async fn total(&self) -> Result<i64> {
        unreachable!("it does not start")
    }
}

impl Fetch for Lost {
    async fn fetch(&self, _: Request) -> Result<Response> {
        unreachable!("it does not start")
    }
}

#[test]
fn what_a_worker_does_not_offer_it_cannot_hand_out() {
    let host = Host::new().worker::<Lost>("lost");
    let faults = on_a_free_port(host, &["name = 'lost-one'\nmain = 'lost'"]).unwrap_err();
    let not_offered = "0.toml:2:8 main: an export of what the Worker does not offer";
    assert_eq!(
        told(&faults),
        [
            "0.toml:2:8 main: an export of an entrypoint that the Worker does not have | `Legder`, for the field \
             `MISSPELT` of type `Export<LedgerClient>` | there is `Ledger`"
                .to_owned(),
            format!(
                "{not_offered} | the default entrypoint of `lost-one`, which offers fetch | `Ledger` offers it: mark \
                 the field `#[env(entrypoint = \"Ledger\")]`"
            ),
            format!(
                "{not_offered} | the entrypoint `Ledger` of `lost-one`, which offers Ledger | the default entrypoint \
                 offers it: leave `#[env(entrypoint = \"..\")]` out"
            ),
            format!(
                "{not_offered} | the default entrypoint of `lost-one`, which offers fetch | add \
                 `.service::<DeskClient>()` to the default entrypoint of `lost`"
            ),
        ]
    );
    let expected = faults.iter().nth(1).unwrap().expected().unwrap();
    assert_eq!(
        expected,
        "an entrypoint that offers `Ledger`, for the field `ELSEWHERE` of type `Export<LedgerClient>`"
    );
}
