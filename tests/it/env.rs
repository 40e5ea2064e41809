//! What a Worker's `Env` is made of, and every way in which a configuration does not fit it.

use std::sync::Mutex;

use rpc_runtime::config::{Config, Faults};
use rpc_runtime::{
    Client as _, Entrypoint, Env, Fetch, Fetcher, Field, FromEnv, Host, Json, Request, Response,
};
use rpc_runtime::{Result, Secret, Worker, service};

#[service]
trait Auth {
    async fn verify(&self, token: &str) -> Result<bool>;
}

#[service]
trait Admin {
    async fn revoke(&self, token: &str) -> Result<()>;
}

/// Offers `Auth`, and at `Site` its fetch.
struct Target;

impl Worker for Target {
    type Env = ();

    async fn new((): ()) -> Result<Self> {
        Ok(Self)
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AuthClient>().named("Site", Entrypoint::fetch)
    }
}

impl Auth for Target {
    async fn verify(&self, token: &str) -> Result<bool> {
        Ok(token == "t")
    }
}

impl Fetch for Target {
    async fn fetch(&self, request: Request) -> Result<Response> {
        Ok(Response::new(request.into_body()))
    }
}

/// A type of a user that is a variable.
#[derive(Debug, PartialEq)]
struct Colour(u32);

impl FromEnv for Colour {
    fn from_env(field: &mut Field<'_, '_>) -> Option<Self> {
        let text: String = field.variable()?;
        match text.strip_prefix('#').and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
            Some(colour) => Some(Self(colour)),
            None => field.refuse("a colour such as \"#3366ff\"", format!("{text:?}")),
        }
    }
}

/// A Worker that gives its `Env` to the test, and answers nothing.
macro_rules! holder {
    ($worker:ident, $env:ty) => {
        struct $worker;

        impl $worker {
            fn made() -> &'static Mutex<Option<$env>> {
                static MADE: Mutex<Option<$env>> = Mutex::new(None);
                &MADE
            }
        }

        impl Worker for $worker {
            type Env = $env;

            async fn new(env: $env) -> Result<Self> {
                *Self::made().lock().unwrap() = Some(env);
                Ok(Self)
            }

            fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
                entrypoint.fetch()
            }
        }

        impl Fetch for $worker {
            async fn fetch(&self, _: Request) -> Result<Response> {
                Ok(Response::default())
            }
        }
    };
}

#[derive(serde::Deserialize, Debug, PartialEq)]
struct Rate {
    per_second: u32,
    names: Vec<String>,
}

#[derive(Env)]
struct Full {
    auth: AuthClient,
    #[env(name = "FILES")]
    site: Fetcher,
    greeting: String,
    letter: char,
    workers: u16,
    below: i8,
    ratio: f64,
    strict: bool,
    rate: Json<Rate>,
    r#type: String,
    colour: Colour,
    given: Option<u8>,
    not_given: Option<u8>,
    no_binding: Option<AuthClient>,
    no_secret: Option<Secret>,
}

holder!(FullWorker, Full);

#[test]
fn every_kind_of_field_is_filled_in() {
    let text = r##"
        name = "full"
        main = "full"
        services = [
            { binding = "AUTH", service = "target" },
            { binding = "FILES", service = "target", entrypoint = "Site" },
        ]
        [vars]
        GREETING = "hello"
        LETTER = "ß"
        WORKERS = 300
        BELOW = -128
        RATIO = 1
        STRICT = true
        RATE = { per_second = 5, names = ["a", "b"] }
        TYPE = "raw"
        COLOUR = "#3366ff"
        GIVEN = 255
    "##;
    let host = Host::new().threads(1).worker::<FullWorker>("full").worker::<Target>("target");
    let configs = vec![
        Config::parse("full.toml", text).unwrap(),
        Config::parse("target.toml", "name = 'target'\nmain = 'target'").unwrap(),
    ];
    let running = host.start(configs, ([127, 0, 0, 1], 0).into()).unwrap();
    let env = FullWorker::made().lock().unwrap().take().unwrap();
    assert!(crate::block_on(env.auth.verify("t")).unwrap());
    let request = http::Request::post("http://a/").body("echo".into()).unwrap();
    let echoed = crate::block_on(env.site.fetch(request)).unwrap().into_body();
    assert_eq!(crate::block_on(echoed.text()).unwrap(), "echo");
    assert_eq!((&*env.greeting, env.letter, env.workers, env.below), ("hello", 'ß', 300, -128));
    assert_eq!((env.ratio, env.strict, &*env.r#type, env.colour), (1.0, true, "raw", Colour(0x33_66_ff)));
    assert_eq!(*env.rate, Rate { per_second: 5, names: vec!["a".to_owned(), "b".to_owned()] });
    assert_eq!((env.given, env.not_given), (Some(255), None));
    assert!(env.no_binding.is_none() && env.no_secret.is_none());
    running.stop();
}

#[derive(Env)]
#[expect(dead_code, reason = "it is never made")]
struct Wanting {
    missing_binding: AuthClient,
    unknown_worker: AuthClient,
    unknown_entrypoint: AuthClient,
    other_service: AdminClient,
    no_fetch: Fetcher,
    elsewhere: AuthClient,
    is_variable: AuthClient,
    is_binding: bool,
    missing_variable: String,
    nearly: String,
    wrong_type: u8,
    out_of_range: u8,
    nested: Json<Rate>,
    colour: Colour,
    optional: Option<bool>,
    optional_binding: Option<AdminClient>,
    #[env(secret)]
    in_the_file: Secret,
    #[env(secret)]
    rpc_tests_missing_secret: Secret,
}

holder!(WantingWorker, Wanting);

const WANTING: &str = r#"name = "wanting"
main = "wanting"
services = [
    { binding = "UNKNOWN_WORKER", service = "tarket" },
    { binding = "UNKNOWN_ENTRYPOINT", service = "target", entrypoint = "Sight" },
    { binding = "OTHER_SERVICE", service = "target" },
    { binding = "NO_FETCH", service = "target" },
    { binding = "ELSEWHERE", service = "target", entrypoint = "Site" },
    { binding = "IS_BINDING", service = "target" },
    { binding = "OPTIONAL_BINDING", service = "target" },
]

[vars]
IS_VARIABLE = "target"
NEARLI = "typo"
WRONG_TYPE = "five"
OUT_OF_RANGE = 256
NESTED = { per_second = 5, names = ["a", 7] }
COLOUR = "red"
OPTIONAL = "yes"
IN_THE_FILE = "hunter2"
"#;

fn check(wanting: &str) -> std::result::Result<(), Faults> {
    let host = Host::new().worker::<WantingWorker>("wanting").worker::<Target>("target");
    host.check(&[
        Config::parse("wanting.toml", wanting).unwrap(),
        Config::parse("target.toml", "name = \"target\"\nmain = \"target\"\n").unwrap(),
    ])
}

#[cfg(unix)]
#[test]
fn a_secret_that_is_missing_is_told_at_its_file_with_what_is_near() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("env-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (file, secrets) = (folder.join("wanting.toml"), folder.join("s.toml"));
    std::fs::write(&file, WANTING.replace("[vars]", "[secrets]\nfile = 's.toml'\n[vars]")).unwrap();
    std::fs::write(&secrets, "RPC_TESTS_MISING_SECRET = 'hunter2'\nRPC_TESTS_MISSING_SECRET = ''\n").unwrap();
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
    let host = Host::new().worker::<WantingWorker>("wanting").worker::<Target>("target");
    let faults = host.check(&[Config::load(&file).unwrap()]).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    let missing = faults.iter().find(|fault| fault.problem().starts_with("missing secret")).unwrap();
    assert_eq!(missing.place().field(), "secrets.file");
    assert_eq!(missing.help(), Some("the file has `RPC_TESTS_MISING_SECRET`: did you mean that?"));
    assert!(!faults.to_string().contains("hunter2"));
}

/// `BLESS=1` writes the file again, to be read in review.
#[test]
fn everything_that_does_not_fit_is_told_at_once_with_its_line() {
    let told = check(WANTING).unwrap_err().to_string() + "\n";
    assert!(!told.contains("hunter2"), "a report may end up in a log");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/it/env/faults.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(file).unwrap());
}
