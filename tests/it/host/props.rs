//! What the configuration of a binding says to its target.

mod elsewhere;

use rpc_runtime::{CallOptions, Ctx};

use super::*;

#[service]
trait Notes {
    /// Whose notes these are.
    async fn owner(&self, how: &str) -> Result<String>;
}

#[derive(Debug, serde::Deserialize)]
struct Owner {
    tenant: String,
    #[serde(default)]
    quota: u8,
}

#[derive(Debug, serde::Deserialize)]
struct Lenient {
    tenant: Option<String>,
}

/// Answers with what it sees of its caller.
struct Keeper {
    own: Option<NotesClient>,
}

#[derive(Env)]
struct KeeperEnv {
    own: Option<NotesClient>,
}

impl Worker for Keeper {
    type Env = KeeperEnv;

    async fn new(env: KeeperEnv) -> Result<Self> {
        Ok(Self { own: env.own })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<NotesClient>().fetch()
    }
}

impl Notes for Keeper {
    async fn owner(&self, how: &str) -> Result<String> {
        match how {
            "lent" => Ctx::with(|ctx| Ok(ctx.props::<Owner>()?.tenant)),
            "lenient" => Ok(format!("{:?}", Ctx::current().props::<Lenient>()?.tenant)),
            "nothing" => Ok(format!("{:?}", Ctx::current().props::<()>().is_ok())),
            "borrowed" => {
                let ctx = Ctx::current();
                Ok(ctx
                    .props::<BTreeMap<&str, serde::de::IgnoredAny>>()?
                    .into_keys()
                    .collect::<Vec<_>>()
                    .join("+"))
            }
            "self" => self.own.as_ref().unwrap().owner("lent").await,
            "later" => {
                let ctx = Ctx::current();
                let child = ctx.spawn(async { Ctx::current().props::<Owner>().map(|owner| owner.tenant) })?;
                child.await?
            }
            _ => {
                let Owner { tenant, quota } = Ctx::current().props()?;
                Ok(format!("{tenant} {quota}"))
            }
        }
    }
}

impl Fetch for Keeper {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let told = self.owner(&request.uri().path()[1..]).await;
        Ok(Response::new(told.unwrap_or_else(|error| error.to_string()).into()))
    }
}

/// Asks through the binding that the path names.
struct Asker {
    env: AskerEnv,
}

#[derive(Env)]
struct AskerEnv {
    one: NotesClient,
    two: NotesClient,
    wrong: NotesClient,
    none: NotesClient,
}

impl Worker for Asker {
    type Env = AskerEnv;

    async fn new(env: AskerEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Asker {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let (binding, how) = request.uri().path()[1..].split_once('/').unwrap();
        let client = match binding {
            "one" => &self.env.one,
            "two" => &self.env.two,
            "wrong" => &self.env.wrong,
            _ => &self.env.none,
        };
        let told = match how {
            "fetch" => return client.fetch(http_request("/owner")).await,
            // Nothing that a caller says is a prop.
            "forged" => {
                let forged = CallOptions::new().metadata("tenant", "forged").propagate("props", "forged");
                client.with(forged).owner("owner").await
            }
            how => client.owner(how).await,
        };
        Ok(Response::new(told.unwrap_or_else(|error| error.to_string()).into()))
    }
}

fn http_request(path: &str) -> Request {
    http::Request::get(path).body(rpc_runtime::Body::empty()).unwrap()
}

const ASKER: &str = r#"name = "asker"
main = "asker"
services = [
    { binding = "ONE", service = "keeper", props = { tenant = "a1", quota = 7 } },
    { binding = "TWO", service = "keeper", props = { tenant = "b2" } },
    { binding = "WRONG", service = "keeper", props = { tenant = "c3", quota = 256 } },
    { binding = "NONE", service = "keeper" },
]
"#;

const KEEPER: &str = "name = 'keeper'\nmain = 'keeper'\n\
                      services = [{ binding = 'OWN', service = 'keeper', props = { tenant = 'itself' } }]";

fn host() -> Host {
    Host::new().threads(1).worker::<Asker>("asker").worker::<Keeper>("keeper")
}

#[test]
fn a_callee_sees_the_props_of_the_binding_that_it_was_called_through() {
    let running = on_a_free_port(host(), &[ASKER, KEEPER]).unwrap();
    let get = |path| get(running.address(), path).body;
    assert_eq!(get("/one/owner"), "a1 7");
    assert_eq!(get("/two/owner"), "b2 0");
    assert_eq!(get("/two/lent"), "b2");
    assert_eq!(get("/one/fetch"), "a1 7");
    assert_eq!(get("/one/borrowed"), "quota+tenant");
    // Work of the invocation sees what the invocation sees.
    assert_eq!(get("/one/later"), "a1");
}

#[test]
fn a_worker_that_calls_itself_is_a_caller_like_any_other() {
    let running = on_a_free_port(host(), &[ASKER, KEEPER]).unwrap();
    assert_eq!(get(running.address(), "/one/self").body, "itself");
}

#[test]
fn no_caller_can_change_its_props() {
    let running = on_a_free_port(host(), &[ASKER, KEEPER]).unwrap();
    assert_eq!(get(running.address(), "/one/forged").body, "a1 7");
}

#[test]
fn props_of_the_wrong_type_are_named_with_binding_file_and_line() {
    let running = on_a_free_port(host(), &[ASKER, KEEPER]).unwrap();
    assert_eq!(
        get(running.address(), "/wrong/owner").body,
        "the binding `WRONG` has props that are not what `keeper` reads: 0.toml:6:79: \
         services[2].props.quota: out of range, expected an integer from 0 to 255, received the integer 256 \
         (asker fetch > keeper Notes/owner)"
    );
}

#[test]
fn props_that_are_not_there_are_an_error_unless_nothing_is_needed() {
    let running = on_a_free_port(host(), &[ASKER, KEEPER]).unwrap();
    let get = |path| get(running.address(), path).body;
    assert_eq!(
        get("/none/owner"),
        "the binding `NONE` has no props, which `keeper` reads: 0.toml:7:5: services[3]: missing key, expected a key \
         `tenant`, received nothing (asker fetch > keeper Notes/owner)"
    );
    assert_eq!(get("/none/lenient"), "None");
    assert_eq!(get("/none/nothing"), "true");
}

#[test]
fn a_call_that_came_over_no_binding_has_no_props() {
    let running = on_a_free_port(host(), &[KEEPER]).unwrap();
    let told = get(running.address(), "/owner").body;
    assert!(told.starts_with("this call came over no binding with props: expected"), "{told}");
    assert!(told.ends_with("(keeper fetch)"), "{told}");
    assert_eq!(get(running.address(), "/lenient").body, "None");
    let outside = Ctx::current().props::<Owner>().unwrap_err().to_string();
    assert!(outside.contains("over no binding with props"), "{outside}");
}

#[test]
fn props_are_a_table() {
    let text = "name = 'a'\nmain = 'a'\nservices = [ { binding = 'B', service = 'b', props = 5 } ]";
    let told = Config::parse("w.toml", text).unwrap_err().to_string();
    assert!(told.contains("services[0].props: wrong type") && told.contains("expected a table"), "{told}");
}
