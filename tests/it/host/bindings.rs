//! What a Worker reaches through its bindings.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

/// Calls whoever is next.
struct Ring {
    env: RingEnv,
}

#[derive(Env)]
struct RingEnv {
    next: RingCallClient,
    own_name: String,
}

#[service]
trait RingCall {
    async fn go_round(&self, left: u32) -> Result<String>;
}

impl Worker for Ring {
    type Env = RingEnv;

    async fn new(env: RingEnv) -> Result<Self> {
        // In a circle, somebody is not there yet.
        let early = env.next.go_round(0).await;
        assert!(early.is_ok() || early.is_err_and(|error| error.is_unavailable() && error.is_retryable()));
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<RingCallClient>().fetch()
    }
}

impl RingCall for Ring {
    async fn go_round(&self, left: u32) -> Result<String> {
        let rest = match left {
            0 => String::new(),
            _ => self.env.next.go_round(left - 1).await?,
        };
        Ok(format!("{}{rest}", self.env.own_name))
    }
}

impl Fetch for Ring {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let left = request.uri().path()[1..].parse().map_err(Error::application)?;
        let told = self.go_round(left).await;
        Ok(Response::new(told.unwrap_or_else(|error| error.to_string()).into()))
    }
}

fn ring(name: &str, next: &str) -> String {
    format!(
        "name = '{name}'\nmain = 'ring'\nservices = [{{ binding = 'NEXT', service = '{next}' }}]\n\
         vars = {{ OWN_NAME = '{name}' }}"
    )
}

#[test]
fn a_worker_can_be_bound_to_itself_and_each_call_is_an_invocation() {
    let host = Host::new().worker::<Ring>("ring");
    let running = on_a_free_port(host, &[&ring("a", "a")]).unwrap();
    assert_eq!(get(running.address(), "/3").body, "aaaa");
    let too_deep = get(running.address(), "/32").body;
    assert!(too_deep.starts_with("the limit of 32 Workers deep is reached"), "{too_deep}");
    assert_eq!(get(running.address(), "/31").body.len(), 32);
}

#[test]
fn the_limits_of_a_pipeline_are_those_of_the_worker_it_begins_at() {
    let host = || Host::new().worker::<Ring>("ring");
    let told = |limits: &str, path: &str| {
        let first = format!("{}\nlimits = {{ {limits} }}", ring("a", "b"));
        // Those of a Worker further down count for nothing.
        let second = format!("{}\nlimits = {{ invocations = 1, depth = 1 }}", ring("b", "a"));
        let running = on_a_free_port(host(), &[&first, &second]).unwrap();
        get(running.address(), path).body
    };
    assert_eq!(told("depth = 4", "/3"), "abab");
    let refused = told("depth = 4", "/4");
    assert!(refused.starts_with("the limit of 4 Workers deep is reached"), "{refused}");
    assert_eq!(told("invocations = 3", "/2"), "aba");
    let refused = told("invocations = 3", "/3");
    assert!(refused.starts_with("the limit of 3 invocations is reached"), "{refused}");
    let refused = told("subrequests = 2", "/3");
    assert!(refused.starts_with("the limit of 2 subrequests is reached"), "{refused}");
    assert_eq!(told("profile = 'cloudflare', depth = 128", "/31").len(), 32);
    let refused = told("profile = 'cloudflare', depth = 128", "/32");
    assert!(refused.starts_with("the limit of 32 invocations is reached"), "{refused}");
    assert_eq!(told("mode = 'warn', depth = 4, subrequests = 2, invocations = 3", "/9").len(), 10);
    // More than what holds where nobody says anything.
    assert_eq!(told("depth = 128", "/99").len(), 100);
}

#[test]
fn a_worker_that_listens_holds_callers_elsewhere_to_its_limits_and_theirs() {
    let host = || Host::new().threads(1).worker::<Ring>("ring");
    let told = |here: &str, there: &str, path: &str| {
        let there = format!("{}\nlisten = ['tcp:127.0.0.1:0']\nlimits = {{ {there} }}", ring("b", "b"));
        let listening = host().start_listening(parsed(&[&there])).unwrap();
        let target = format!("service = 'b', address = '{}'", listening.listening()[0]);
        let here = format!("{}\nlimits = {{ {here} }}", ring("a", "b").replace("service = 'b'", &target));
        get(on_a_free_port(host(), &[&here]).unwrap().address(), path).body
    };
    assert_eq!(told("", "depth = 3", "/3"), "abbb");
    let refused = told("", "depth = 3", "/4");
    assert!(refused.starts_with("the limit of 3 Workers deep is reached"), "{refused}");
    assert_eq!(told("", "invocations = 2", "/2"), "abb");
    let refused = told("", "invocations = 2", "/3");
    assert!(refused.starts_with("the limit of 2 invocations is reached"), "{refused}");
    // Where limits are only warned of, those of the caller hold even so.
    assert_eq!(told("", "depth = 3, invocations = 2, mode = 'warn'", "/20").len(), 21);
    assert_eq!(told("mode = 'warn', depth = 3", "depth = 3, mode = 'warn'", "/100").len(), 101);
    let refused = told("depth = 3", "depth = 128, mode = 'warn'", "/3");
    assert!(refused.contains("Workers deep is reached"), "{refused}");
    let refused = told("mode = 'warn', depth = 3", "mode = 'warn', depth = 3", "/128");
    assert!(refused.contains("the limit of 128 Workers deep is reached"), "{refused}");
    // What the caller has left holds as well.
    let refused = told("depth = 3", "depth = 128", "/3");
    assert!(refused.contains("Workers deep is reached"), "{refused}");
    assert_eq!(told("depth = 128", "depth = 128", "/99").len(), 100);
}

#[test]
fn bindings_can_lead_in_a_circle() {
    let host = Host::new().worker::<Ring>("ring");
    let running = on_a_free_port(host, &[&ring("a", "b"), &ring("b", "c"), &ring("c", "a")]).unwrap();
    assert_eq!(get(running.address(), "/6").body, "abcabca");
}

/// Is bound to the named entrypoint and to the default one.
struct Office {
    env: OfficeEnv,
}

#[derive(Env)]
struct OfficeEnv {
    auth: AuthClient,
    admin: AdminClient,
}

impl Worker for Office {
    type Env = OfficeEnv;

    async fn new(env: OfficeEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Office {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let answer = match request.uri().path() {
            "/verify" => self.env.auth.verify("t").await?,
            "/revoke" => self.env.admin.revoke("t").await?,
            "/fetch" => return self.env.auth.fetch(request).await,
            _ => self.env.admin.fetch(request).await.expect_err("it is not offered there").to_string(),
        };
        Ok(Response::new(answer.into()))
    }
}

const OFFICE: &str = r#"
name = "office"
main = "office"
services = [
    { binding = "AUTH", service = "auth" },
    { binding = "ADMIN", service = "auth", entrypoint = "Admin" },
]
"#;

#[test]
fn an_entrypoint_gives_what_it_declares_and_nothing_else() {
    let host = || Host::new().worker::<Office>("office").worker::<AuthWorker>("auth");
    let running = on_a_free_port(host(), &[OFFICE, AUTH]).unwrap();
    let get = |path| get(running.address(), path).body;
    assert_eq!(get("/verify"), "t is known to 0");
    assert_eq!(get("/revoke"), "t is revoked");
    assert_eq!(get("/fetch"), r#"auth got GET /fetch """#);
    let refused = get("/fetch-of-admin");
    assert!(refused.starts_with("not found: the Worker has no `fetch`"), "{refused}");

    // The other way round, each lacks what the other one has.
    let exchanged = OFFICE.replace(", entrypoint = \"Admin\"", "").replace(
        "{ binding = \"AUTH\", service = \"auth\" }",
        "{ binding = \"AUTH\", service = \"auth\", entrypoint = \"Admin\" }",
    );
    let faults = on_a_free_port(host(), &[&exchanged, AUTH]).unwrap_err();
    let received: Vec<_> = faults.iter().map(|fault| fault.received().unwrap()).collect();
    assert_eq!(received, ["`auth#Admin`, which offers Admin", "`auth`, which offers Auth, fetch"]);
}

#[test]
fn the_error_of_a_call_names_the_workers_by_their_names() {
    let host = Host::new().worker::<Ring>("ring");
    let running = on_a_free_port(host, &[&ring("one", "two"), &ring("two", "one")]).unwrap();
    let told = get(running.address(), "/40").body;
    assert!(told.contains("(one fetch > two RingCall/go_round > one RingCall/go_round > "), "{told}");
}

#[service(local)]
trait Canvas {
    async fn draw(&self, on: &Cell<u32>) -> Result<()>;
}

/// Holds what stays in its thread, and so does what it is bound to.
struct Painter {
    below: Option<CanvasClient>,
    drawn: Rc<Cell<u32>>,
}

#[derive(Env)]
struct PainterEnv {
    below: Option<CanvasClient>,
}

impl Worker for Painter {
    type Env = PainterEnv;

    async fn new(env: PainterEnv) -> Result<Self> {
        Ok(Self { below: env.below, drawn: Rc::default() })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<CanvasClient>()
    }
}

impl Canvas for Painter {
    async fn draw(&self, on: &Cell<u32>) -> Result<()> {
        self.drawn.set(self.drawn.get() + 1);
        on.set(on.get() + self.drawn.get());
        match &self.below {
            Some(below) => below.draw(on).await,
            None => Ok(()),
        }
    }
}

/// Draws while it is made, which is the one time when it may.
struct Gallery {
    drawn: u32,
}

impl Worker for Gallery {
    type Env = PainterEnv;

    async fn new(env: PainterEnv) -> Result<Self> {
        let (canvas, drawn) = (env.below.expect("a binding"), Cell::new(0));
        canvas.draw(&drawn).await?;
        canvas.draw(&drawn).await?;
        Ok(Self { drawn: drawn.get() })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Gallery {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(Response::new(self.drawn.to_string().into()))
    }
}

#[test]
fn workers_with_local_services_reach_each_other_on_their_thread() {
    let config = |name: &str, main: &str, below: &str| {
        format!("name = '{name}'\nmain = '{main}'\nservices = [{{ binding = 'BELOW', service = '{below}' }}]")
    };
    let (gallery, upper) = (config("gallery", "gallery", "upper"), config("upper", "painter", "lower"));
    let host = Host::new().worker::<Gallery>("gallery").worker::<Painter>("painter");
    let running = on_a_free_port(host, &[&gallery, &upper, "name = 'lower'\nmain = 'painter'"]).unwrap();
    // One of each drew with every call, on each thread for itself: 1 + 1, then 2 + 2.
    assert_eq!(get(running.address(), "/").body, "6");
}
