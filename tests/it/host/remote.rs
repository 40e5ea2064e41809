//! Workers in other processes: what is served where a Worker listens, and what a binding with an address reaches.
//!
//! Both hosts run in this process; `.ci/examples` has them in two.

use std::path::PathBuf;

use rpc_runtime::{Client, Ctx, edge::EdgeOptions, transport::Address};

use super::{starting::told, *};

/// A folder for sockets, short enough for their addresses. It goes away with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rpc-{}-{name}", std::process::id()));
        Self(folder)
    }

    /// Made, and open to others as a careless user makes one.
    fn made(name: &str) -> Self {
        let folder = Self::new(name);
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    pub(super) fn socket(&self) -> String {
        format!("unix:{}", self.0.join("s.sock").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is left to the system, which empties the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[service]
trait Sleeper {
    async fn sleep(&self, ms: u64) -> Result<String>;
}

/// Keeps its callers waiting.
struct Sleepy {
    probe: Arc<Probe>,
}

#[derive(Env)]
struct SleepyEnv {
    probe: Instance,
}

impl Worker for Sleepy {
    type Env = SleepyEnv;

    async fn new(env: SleepyEnv) -> Result<Self> {
        Ok(Self { probe: Arc::clone(&env.probe.probe) })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<SleeperClient>()
    }
}

impl Sleeper for Sleepy {
    async fn sleep(&self, ms: u64) -> Result<String> {
        self.probe.made.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.probe.finished.fetch_add(1, Ordering::SeqCst);
        Ok("slept".to_owned())
    }
}

/// Calls what its bindings lead to, in the way that the path says, and tells what came of it.
struct Caller {
    env: CallerEnv,
}

#[derive(Env)]
struct CallerEnv {
    auth: AuthClient,
    admin: Option<AdminClient>,
    site: Option<Fetcher>,
}

impl Worker for Caller {
    type Env = CallerEnv;

    async fn new(env: CallerEnv) -> Result<Self> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Caller {
    async fn fetch(&self, request: Request) -> Result<Response> {
        let CallerEnv { auth, admin, site } = &self.env;
        let path = request.uri().path().to_owned();
        let (word, rest) = path[1..].split_once('/').unwrap();
        let answer = match word {
            "verify" => auth.verify(rest).await?,
            "revoke" => admin.as_ref().unwrap().revoke(rest).await?,
            "many" => {
                let mut made = 0;
                while auth.verify(rest).await.is_ok() {
                    made += 1;
                }
                format!("{made} calls, then: {}", auth.verify(rest).await.unwrap_err())
            }
            "site" => return site.as_ref().unwrap().fetch(request).await,
            "through" => return auth.fetch(request).await,
            "why" => match auth.verify(rest).await {
                Ok(known) => known,
                Err(error) => {
                    format!("unavailable: {}, remote: {}, {error}", error.is_unavailable(), error.is_remote())
                }
            },
            _ => unreachable!(),
        };
        Ok(Response::new(answer.into()))
    }
}

/// A host that serves an `AuthWorker` at an address.
fn auth_at(address: &str) -> Running {
    let config = format!("{AUTH}listen = [ '{address}' ]");
    let host = Host::new().threads(2).worker::<AuthWorker>("auth");
    host.start_listening(parsed(&[&config])).unwrap()
}

/// A host whose Worker has every binding at an address.
fn caller_of(address: &str) -> Running {
    let config = format!(
        "name = 'caller'\nmain = 'caller'\nservices = [\n\
         {{ binding = 'AUTH', service = 'auth', address = '{address}' }},\n\
         {{ binding = 'ADMIN', service = 'auth', entrypoint = 'Admin', address = '{address}' }},\n\
         {{ binding = 'SITE', service = 'auth', address = '{address}' }},\n]"
    );
    on_a_free_port(Host::new().threads(2).worker::<Caller>("caller"), &[&config]).unwrap()
}

fn client<T>(address: &str, call: impl AsyncFnOnce(AuthClient) -> T) -> T {
    let client = AuthClient::at(address.parse::<Address>().unwrap());
    on_tokio(async { call(client).await })
}

fn faults_of(texts: &[&str]) -> Vec<String> {
    let host = || Host::new().worker::<Caller>("caller").worker::<AuthWorker>("auth").worker::<Here>("here");
    told(&host().start_listening(parsed(texts)).unwrap_err())
}

#[service(local)]
trait Local {
    #[allow(dead_code, reason = "nobody gets so far")]
    async fn nothing(&self) -> Result<()>;
}

/// Offers nothing that could leave its thread, and wants nothing that could come from elsewhere.
struct Here;

#[derive(Env)]
struct HereEnv {
    #[expect(dead_code, reason = "it is there to be bound")]
    local: Option<LocalClient>,
}

impl Worker for Here {
    type Env = HereEnv;

    async fn new(_: HereEnv) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<LocalClient>()
    }
}

impl Local for Here {
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_address_that_is_none_is_a_fault_at_its_value() {
    let expected = "an address: `unix:/path/to.sock`, `unix:` and a path from the folder of this file, or \
                    `tcp:host:port`";
    let long = format!("unix:/{}", "a".repeat(107));
    let cases = [
        ("5", "wrong type", "the integer 5", None),
        (
            "'auth.sock'",
            "not a valid address",
            "the string \"auth.sock\"",
            Some("expected an address such as"),
        ),
        ("'unix:'", "not a valid address", "the string \"unix:\"", Some("is empty")),
        (
            "'unix:run/a.sock'",
            "not a valid address",
            "the string \"unix:run/a.sock\"",
            Some("not read from a file"),
        ),
        ("'unix:@auth'", "not a valid address", "the string \"unix:@auth\"", Some("has an abstract name")),
        ("'unix:/run/../a'", "not a valid address", "the string \"unix:/run/../a\"", Some("contains `..`")),
        (&format!("'{long}'"), "not a valid address", "", Some("has 108 bytes, and at most")),
        ("'tcp:auth'", "not a valid address", "the string \"tcp:auth\"", Some("has no port")),
        (
            "'tcp:::1:7'",
            "not a valid address",
            "the string \"tcp:::1:7\"",
            Some("write an IPv6 address in brackets"),
        ),
        ("'tls:auth:7'", "not a valid address", "the string \"tls:auth:7\"", Some("tls")),
    ];
    for (value, problem, received, help) in cases {
        let start = "name = 'a'\nmain = 'a'\n";
        for (text, place) in [
            (format!("{start}listen = [{value}]"), "w.toml:3:11 listen[0]"),
            (
                format!("{start}services = [{{ binding = 'A', service = 'a', address = {value} }}]"),
                "w.toml:3:55 services[0].address",
            ),
        ] {
            let faults = Config::parse("w.toml", text).unwrap_err();
            let fault = faults.iter().next().unwrap();
            assert_eq!(faults.iter().count(), 1, "{faults}");
            assert_eq!(format!("{} {}", fault.place(), fault.place().field()), place);
            assert_eq!((fault.problem(), fault.expected()), (problem, Some(expected)));
            assert!(fault.received().unwrap().starts_with(received), "{fault}");
            assert_eq!(fault.help().is_some(), help.is_some(), "{fault}");
            assert!(fault.help().unwrap_or_default().contains(help.unwrap_or_default()), "{fault}");
        }
    }
    let faults = Config::parse("w.toml", "name = 'a'\nmain = 'a'\nlisten = 'unix:/a'").unwrap_err();
    assert_eq!(
        told(&faults),
        [
            "w.toml:3:10 listen: wrong type | the string \"unix:/a\" | write `listen = [ \"unix:/run/auth/auth.sock\" ]`"
        ]
    );
}

#[test]
fn the_path_of_a_socket_begins_in_the_folder_of_the_file_that_says_it() {
    let folder = Folder::made("paths");
    let inner = folder.0.join("auth");
    std::fs::create_dir(&inner).unwrap();
    let root = folder.0.canonicalize().unwrap();
    for (path, expected) in [
        ("run/a.sock", root.join("auth/run/a.sock")),
        ("./a.sock", root.join("auth/a.sock")),
        ("../run/a.sock", root.join("run/a.sock")),
        ("./../../a.sock", root.parent().unwrap().join("a.sock")),
        ("/run/a.sock", PathBuf::from("/run/a.sock")),
    ] {
        let text = format!(
            "name = 'a'\nmain = 'a'\nlisten = ['unix:{path}']\n\
             services = [{{ binding = 'B', service = 'b', address = 'unix:{path}' }}]"
        );
        std::fs::write(inner.join("worker.toml"), text).unwrap();
        let config = Config::load(inner.join("worker.toml")).unwrap();
        let expected = format!("unix:{}", expected.display());
        assert_eq!(config.listen[0].to_string(), expected);
        assert_eq!(config.services[0].address.as_ref().unwrap().to_string(), expected);
    }
    // Only at the beginning is it clear where it leads.
    std::fs::write(inner.join("worker.toml"), "name = 'a'\nmain = 'a'\nlisten = ['unix:a/../b.sock']")
        .unwrap();
    let faults = Config::load(inner.join("worker.toml")).unwrap_err();
    assert!(told(&faults)[0].contains("contains `..`"), "{faults}");
}

#[test]
fn what_cannot_be_served_or_reached_elsewhere_is_a_fault() {
    let listening = |name: &str, main: &str, listen: &str| {
        format!("name = '{name}'\nmain = '{main}'\nlisten = [{listen}]")
    };
    let (one, two) =
        ("'unix:/nowhere/a.sock'", "'tcp:127.0.0.1:0', 'unix:/nowhere/a.sock', 'tcp:127.0.0.1:0'");
    assert_eq!(
        faults_of(&[&listening("one", "auth", one), &listening("two", "auth", two)]),
        ["1.toml:3:30 listen[1]: two listeners at one address | `unix:/nowhere/a.sock` again | "]
    );
    assert_eq!(
        faults_of(&[&listening("here", "here", one)]),
        ["0.toml:3:11 listen[0]: a listener with nothing to serve | \
          `here`, which offers nothing that leaves its thread | "]
    );
    let bound = "services = [{ binding = 'LOCAL', service = 'x', address = 'unix:/a/b' }]";
    assert_eq!(
        faults_of(&[&format!("name = 'here'\nmain = 'here'\n{bound}"), &listening("auth", "auth", one)]),
        ["0.toml:3:59 services[0].address: a binding that leads to another process | `unix:/a/b` | \
          `LocalClient` calls a `#[service(local)]`, which never leaves its thread"]
    );
    assert_eq!(
        faults_of(&[AUTH]),
        [
            "0.toml : a host that nobody can reach | no `listen` in any configuration, and no address for HTTP | "
        ]
    );
}

#[test]
fn a_client_that_a_field_takes_from_this_host_alone_says_how_to_take_it_from_anywhere() {
    struct Old(AuthClient);

    impl FromEnv for Old {
        fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
            field.client().map(Self)
        }
    }

    #[derive(Env)]
    struct OldEnv {
        auth: Old,
    }

    struct OldWorker(AuthClient);

    impl Worker for OldWorker {
        type Env = OldEnv;
        async fn new(env: OldEnv) -> Result<Self> {
            Ok(Self(env.auth.0))
        }
        fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
            entrypoint.fetch()
        }
    }

    impl Fetch for OldWorker {
        async fn fetch(&self, _: Request) -> Result<Response> {
            Ok(Response::new(self.0.verify("t").await?.into()))
        }
    }

    let host = || Host::new().worker::<OldWorker>("old").worker::<AuthWorker>("auth");
    let config = |more: &str| {
        format!("name = 'old'\nmain = 'old'\nservices = [{{ binding = 'AUTH', service = 'auth'{more} }}]")
    };
    let faults = on_a_free_port(host(), &[&config(", address = 'tcp:auth:1'")]).unwrap_err();
    assert_eq!(
        told(&faults),
        ["0.toml:3:61 services[0].address: a binding that leads to another process | `tcp:auth:1` | \
          take the `AuthClient` of the field with `Field::client_anywhere`"]
    );
    let running = on_a_free_port(host(), &[&config(""), AUTH]).unwrap();
    assert_eq!(get(running.address(), "/").body, "t is known to 0");
}

#[test]
fn calls_and_requests_reach_a_worker_at_its_address() {
    let folder = Folder::new("calls");
    for address in [&*folder.socket(), "tcp:127.0.0.1:0"] {
        let auth = auth_at(address);
        assert_eq!(auth.address(), None, "it is served over HTTP only if somebody asks for it");
        let caller = caller_of(&auth.listening()[0].to_string());
        let get = |path| get(caller.address(), path);
        assert_eq!(get("/verify/t").body, "t is known to 0");
        assert_eq!(get("/site/x").body, "auth got GET /site/x \"\"");
        assert_eq!(get("/through/x").body, "auth got GET /through/x \"\"");
        assert_eq!(get("/revoke/t").body, "t is revoked", "at the entrypoint `Admin`");
        // Errors come back as those of a Worker in this host do.
        assert_eq!(get("/verify/full").status, 503);
        assert_eq!(get("/verify/boom").status, 500);
        let why = get("/why/boom").body;
        assert!(why.starts_with("unavailable: false, remote: true, "), "{why}");
        assert!(why.contains("panicked: s3cret of the auth Worker"), "{why}");
        assert!(why.contains("(caller fetch > auth Auth/verify)"), "{why}");
    }
}

#[test]
fn only_what_an_entrypoint_offers_is_served_there() {
    let auth = auth_at("tcp:127.0.0.1:0");
    let address = &auth.listening()[0];
    let config = |entrypoint: &str| {
        format!(
            "name = 'caller'\nmain = 'caller'\nservices = [\
             {{ binding = 'AUTH', service = 'auth', address = '{address}'{entrypoint} }}]"
        )
    };
    for entrypoint in [", entrypoint = 'Admin'", ", entrypoint = 'Other'"] {
        let host = Host::new().worker::<Caller>("caller");
        let caller = on_a_free_port(host, &[&config(entrypoint)]).unwrap();
        let why = get(caller.address(), "/why/t").body;
        assert!(
            why.contains("not found: the service is not served here (caller fetch > auth Auth/verify)"),
            "{why}"
        );
    }
}

#[test]
fn a_call_over_an_address_counts_as_one_in_the_host_does() {
    let auth = auth_at("tcp:127.0.0.1:0");
    let caller = caller_of(&auth.listening()[0].to_string());
    let here = "name = 'caller'\nmain = 'caller'\nservices = [{ binding = 'AUTH', service = 'auth' }]";
    let host = Host::new().worker::<Caller>("caller").worker::<AuthWorker>("auth");
    let here = on_a_free_port(host, &[here, AUTH]).unwrap();
    let [there, here] = [&caller, &here].map(|running| get(running.address(), "/many/t").body);
    assert!(there.starts_with("999 calls, then: "), "{there}");
    assert_eq!(there, here);
}

#[test]
fn a_worker_that_is_not_there_is_unavailable_until_it_is() {
    let folder = Folder::new("restart");
    let address = folder.socket();
    let caller = caller_of(&address);
    let why = get(caller.address(), "/why/t").body;
    assert!(
        why.starts_with("unavailable: true, remote: false, unavailable: cannot connect to unix:"),
        "{why}"
    );
    assert!(why.contains(&address), "{why}");
    assert_eq!(get(caller.address(), "/verify/t").status, 503, "whoever is to blame, it may pass");

    for _ in 0..3 {
        let auth = auth_at(&address);
        wait_until("it is found where it was missed", || {
            get(caller.address(), "/verify/t").body == "t is known to 0"
        });
        auth.stop();
        assert_eq!(get(caller.address(), "/verify/t").status, 503);
        assert!(!folder.0.join("s.sock").exists(), "the file goes with its listener");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_a_fault_at_its_line() {
    let (taken, open) = (Folder::new("taken"), Folder::made("open"));
    let auth = auth_at(&taken.socket());
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let listen = format!(
        "listen = [\n'tcp:127.0.0.1:0',\n'{}',\n'tcp:127.0.0.1:{port}',\n'{}',\n'tcp:192.0.2.1:0',\n]",
        taken.socket(),
        open.socket()
    );
    let host = Host::new().worker::<AuthWorker>("auth");
    let start = Instant::now();
    let told = told(&host.start_listening(parsed(&[&format!("{AUTH}{listen}")])).unwrap_err());
    assert!(start.elapsed() < PATIENCE, "at once: nothing runs that it would wait for");
    let expected = [
        ("0.toml:6:1 listen[1]: ", "this very process listens there", "stop the one that listens there"),
        ("0.toml:7:1 listen[2]: ", "the port is in use", "stop the one that listens there"),
        ("0.toml:8:1 listen[3]: ", "expected 0700: others could look for the socket", ""),
        ("0.toml:9:1 listen[4]: ", "this machine has no such address", ""),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, (place, why, help)) in told.iter().zip(expected) {
        assert!(
            told.starts_with(&format!("{place}an address that cannot be listened at | cannot listen at "))
        );
        assert!(told.contains(why) && told.contains(help), "{told}");
    }
    assert_eq!(client(&taken.socket(), async |auth| auth.verify("t").await).unwrap(), "t is known to 0");
    auth.stop();
}

fn sleepy(probe: &str, folder: &Folder, drain: Duration) -> Running {
    let mut options = EdgeOptions::default();
    options.drain = drain;
    let config = format!(
        "name = 'sleepy'\nmain = 'sleepy'\nlisten = ['{}']\nvars = {{ PROBE = '{probe}' }}",
        folder.socket()
    );
    let host = Host::new().threads(1).edge(options).worker::<Sleepy>("sleepy");
    host.start(parsed(&[&config]), ([127, 0, 0, 1], 0).into()).unwrap()
}

#[test]
fn a_host_that_stops_lets_running_calls_end_and_refuses_others() {
    let (folder, probe) = (Folder::new("drains"), probe("drains-remote"));
    let running = sleepy("drains-remote", &folder, PATIENCE);
    assert_eq!(running.address(), None, "it answers no requests");
    let sleeper = SleeperClient::at(folder.socket().parse::<Address>().unwrap());
    on_tokio(async {
        let long = tokio::spawn({
            let sleeper = sleeper.clone();
            async move { sleeper.sleep(600).await }
        });
        while count(&probe.made) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let stopping = std::thread::spawn(move || running.stop());
        // The listener is closed before anything else, and the session takes nothing new.
        while folder.0.join("s.sock").exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let late = sleeper.sleep(0).await.unwrap_err();
        assert!(late.is_unavailable(), "{late}");
        assert_eq!(count(&probe.finished), 0, "the long one still runs");
        assert_eq!(long.await.unwrap().unwrap(), "slept");
        assert_eq!((count(&probe.made), count(&probe.finished)), (1, 1));
        stopping.join().unwrap();
    });
}

#[test]
fn what_still_runs_at_the_end_of_the_time_to_drain_is_cut() {
    let (folder, probe) = (Folder::new("cut"), probe("cut-remote"));
    let running = sleepy("cut-remote", &folder, Duration::from_millis(200));
    let sleeper = SleeperClient::at(folder.socket().parse::<Address>().unwrap());
    let calling = std::thread::spawn(move || on_tokio(async { sleeper.sleep(60_000).await }));
    wait_until("it runs", || count(&probe.made) == 1);
    let start = Instant::now();
    running.stop();
    assert!(start.elapsed() >= Duration::from_millis(190) && start.elapsed() < PATIENCE / 2);
    let error = calling.join().unwrap().unwrap_err();
    assert!(error.is_disconnected(), "{error}");
    assert_eq!(count(&probe.finished), 0);
}

#[test]
fn the_next_call_leaves_a_session_that_drains() {
    let (folder, probe) = (Folder::new("rolling"), probe("rolling-remote"));
    let old = sleepy("rolling-remote", &folder, PATIENCE);
    let sleeper = SleeperClient::at(folder.socket().parse::<Address>().unwrap());
    on_tokio(async {
        let long = tokio::spawn({
            let sleeper = sleeper.clone();
            async move { sleeper.sleep(800).await }
        });
        while count(&probe.made) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let stopping = std::thread::spawn(move || old.stop());
        while folder.0.join("s.sock").exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Its successor is there before it has gone.
        let new = sleepy("rolling-remote", &folder, PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(sleeper.sleep(0).await.unwrap(), "slept");
        assert_eq!(count(&probe.finished), 1, "the long one still runs");
        assert_eq!(long.await.unwrap().unwrap(), "slept");
        stopping.join().unwrap();
        drop(new);
    });
}

#[test]
fn sessions_are_spread_over_the_threads_and_stay_there() {
    /// Tells where it runs.
    struct Where;

    impl Worker for Where {
        type Env = ();
        async fn new((): ()) -> Result<Self> {
            Ok(Self)
        }
        fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
            entrypoint.service::<AuthClient>()
        }
    }

    impl Auth for Where {
        async fn verify(&self, _: &str) -> Result<String> {
            let deadline = Ctx::current().deadline().is_some();
            Ok(format!("{} {deadline}", std::thread::current().name().unwrap_or_default()))
        }
    }

    let host = Host::new().threads(2).worker::<Where>("where");
    let config = "name = 'where'\nmain = 'where'\nlisten = ['tcp:127.0.0.1:0']";
    let running = host.start_listening(parsed(&[config])).unwrap();
    let address = &running.listening()[0];
    on_tokio(async {
        let clients: Vec<_> = (0..4).map(|_| AuthClient::at(address.clone())).collect();
        let mut served = BTreeMap::<String, usize>::new();
        for client in &clients {
            let place = client.verify("").await.unwrap();
            assert_eq!(client.verify("").await.unwrap(), place);
            *served.entry(place).or_default() += 1;
        }
        let served: Vec<_> = served.iter().map(|(place, count)| (&**place, *count)).collect();
        assert_eq!(served, [("rpc-0 false", 2), ("rpc-1 false", 2)]);
    });
}

#[test]
fn a_session_whose_other_end_has_gone_holds_nobody_up() {
    let folder = Folder::new("gone");
    for speaks in [false, true] {
        let auth = auth_at(&folder.socket());
        if speaks {
            assert_eq!(
                client(&folder.socket(), async |auth| auth.verify("t").await).unwrap(),
                "t is known to 0"
            );
        } else {
            drop(std::os::unix::net::UnixStream::connect(folder.0.join("s.sock")).unwrap());
        }
        let start = Instant::now();
        auth.stop();
        assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    }
}
