//! What keeps a host from starting.

use super::*;

/// Cannot be made, in the way that its variable says.
struct Failing;

#[derive(Env)]
struct FailingEnv {
    how: String,
}

impl Worker for Failing {
    type Env = FailingEnv;

    async fn new(env: FailingEnv) -> Result<Self> {
        match &*env.how {
            "error" => Err(Error::application(std::io::Error::other("no database"))),
            "panic" => panic!("not today"),
            "late panic" => {
                tokio::task::yield_now().await;
                panic!("not today")
            }
            _ => Ok(Self),
        }
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Failing {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(Response::default())
    }
}

fn failing(name: &str, how: &str) -> String {
    format!("name = '{name}'\nmain = 'failing'\nvars = {{ HOW = '{how}' }}")
}

fn host() -> Host {
    Host::new().worker::<Failing>("failing").worker::<AuthWorker>("auth")
}

/// `place field: problem | received | help` of each fault.
pub(super) fn told(faults: &Faults) -> Vec<String> {
    let line = |fault: &rpc_runtime::config::Fault| {
        let (place, received) = (fault.place(), fault.received().unwrap_or_default());
        format!(
            "{place} {}: {} | {received} | {}",
            place.field(),
            fault.problem(),
            fault.help().unwrap_or_default()
        )
    };
    faults.iter().map(line).collect()
}

#[test]
fn workers_that_cannot_be_made_are_named_with_the_reason() {
    let texts = [
        failing("first", "error"),
        failing("second", "panic"),
        failing("third", ""),
        failing("fourth", "late panic"),
    ];
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let faults = on_a_free_port(host(), &texts).unwrap_err();
    let told = told(&faults);
    assert_eq!(told.len(), 3, "{faults}");
    assert_eq!(told[0], "0.toml:1:8 name: a Worker that cannot be made | `first`: no database | ");
    for (told, start) in told[1..].iter().zip(["1.toml:1:8 name: ", "3.toml:1:8 name: "]) {
        assert!(told.starts_with(start) && told.contains("its `new` panicked: not today, at "), "{told}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let faults = host().start(parsed(&[&failing("first", "")]), address).unwrap_err();
    let told = told(&faults);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with(&format!("the program : the address to serve on cannot be had | {address}: ")),
        "{told:?}"
    );
    assert!(told[0].ends_with("| another program has it: stop that one, or choose another port"), "{told:?}");
}

#[test]
fn a_host_needs_a_configuration() {
    let faults = on_a_free_port(host(), &[]).unwrap_err();
    assert_eq!(told(&faults), ["the command line : nothing to run |  | name it with `-c worker.toml`"]);
}

#[test]
fn two_workers_of_one_name_are_refused() {
    let faults = on_a_free_port(host(), &[&failing("one", ""), &failing("one", "")]).unwrap_err();
    assert_eq!(told(&faults), ["1.toml:1:8 name: two Workers of one name | `one` again | "]);
    assert!(faults.to_string().contains("0.toml:1:8"), "the first one is shown too: {faults}");
}

#[test]
fn two_types_linked_under_one_name_are_refused() {
    let faults = on_a_free_port(host().worker::<AuthWorker>("failing"), &[&failing("one", "")]).unwrap_err();
    assert_eq!(told(&faults), ["the program : two Workers are linked under one name | `failing` again | "]);
}

#[test]
fn an_unknown_main_is_told_once_whoever_is_bound_to_it() {
    let bound = "name = 'one'\nmain = 'failin'\nservices = [{ binding = 'A', service = 'two' }]";
    let faults = on_a_free_port(host(), &[bound, "name = 'two'\nmain = 'something-else'"]).unwrap_err();
    assert_eq!(
        told(&faults),
        [
            "0.toml:2:8 main: an entrypoint that is not in this program | `failin` | there is `failing`",
            "1.toml:2:8 main: an entrypoint that is not in this program | `something-else` | there are: failing, auth",
        ]
    );
}

#[test]
fn a_binding_that_leads_nowhere_is_a_fault_even_if_no_field_takes_it() {
    let bound = "name = 'one'\nmain = 'failing'\nvars = { HOW = '' }\nservices = [\n\
                 { binding = 'A', service = 'aut' },\n\
                 { binding = 'B', service = 'auth', entrypoint = 'admin' },\n\
                 { binding = 'C', service = 'one', entrypoint = 'Admin' },\n]";
    let faults = on_a_free_port(host(), &[bound, AUTH]).unwrap_err();
    assert_eq!(
        told(&faults),
        [
            "0.toml:5:28 services[0].service: a binding to a Worker that is not there | \
             `aut`, for the binding `A` of `one` | there is a Worker `auth`",
            "0.toml:6:49 services[1].entrypoint: an entrypoint that the Worker does not have | \
             `admin`, for the binding `B` of `one` | there is `Admin`",
            "0.toml:7:48 services[2].entrypoint: an entrypoint that the Worker does not have | \
             `Admin`, for the binding `C` of `one` | it has the default one alone: leave `entrypoint` out",
        ]
    );
}

#[test]
fn the_worker_that_is_served_must_answer_requests() {
    struct Mute;

    impl Worker for Mute {
        type Env = ();
        async fn new((): ()) -> Result<Self> {
            Ok(Self)
        }
        fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
            entrypoint.service::<AuthClient>()
        }
    }

    impl Auth for Mute {
        async fn verify(&self, token: &str) -> Result<String> {
            Ok(token.to_owned())
        }
    }

    let mute = "name = 'mute'\nmain = 'mute'";
    let host = || Host::new().worker::<Mute>("mute").worker::<AuthWorker>("auth");
    let faults = on_a_free_port(host(), &[mute, AUTH]).unwrap_err();
    assert_eq!(
        told(&faults),
        ["0.toml:2:8 main: a Worker that does not answer requests | `mute`, which declares Auth | \
          give the configuration of the Worker to be served first, or say in this one where it is to `listen`"]
    );
    on_a_free_port(host(), &[AUTH, mute]).unwrap().stop();
}

#[test]
fn two_services_of_one_name_are_refused_whoever_offers_them() {
    mod other {
        use super::*;

        /// Is no `super::Auth`, and would be taken for it by a peer.
        #[service(rename = "Auth")]
        trait Other {
            async fn verify(&self, token: &str) -> Result<String>;
        }

        #[service(local, rename = "Auth")]
        trait Here {
            #[allow(dead_code, reason = "nobody gets so far")]
            async fn verify(&self) -> Result<()>;
        }

        pub(super) struct Impostor;

        impl Other for Impostor {
            async fn verify(&self, _: &str) -> Result<String> {
                Ok("everybody".to_owned())
            }
        }

        impl Here for Impostor {
            async fn verify(&self) -> Result<()> {
                Ok(())
            }
        }

        impl Worker for Impostor {
            type Env = ();
            async fn new((): ()) -> Result<Self> {
                Ok(Self)
            }
            fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
                entrypoint.service::<HereClient>().named("Side", |side| side.service::<OtherClient>())
            }
        }
    }

    let host = Host::new().worker::<AuthWorker>("auth").worker::<other::Impostor>("impostor");
    let faults = on_a_free_port(host, &[AUTH, "name = 'second'\nmain = 'impostor'"]).unwrap_err();
    let here = "it::host::starting::two_services_of_one_name_are_refused_whoever_offers_them";
    assert_eq!(
        told(&faults),
        [format!(
            "1.toml:2:8 main: two services of one name | `Auth` of `auth` (`it::host::AuthClient`) and \
             `Auth` of `second` (`{here}::other::OtherClient`) | \
             give one of them `#[service(rename = \"..\")]`, or let both Workers use one trait"
        )]
    );
    assert!(faults.to_string().contains("0.toml:3:8"), "the first one is shown too: {faults}");
}

#[test]
fn one_service_may_have_several_workers() {
    let second = "name = 'second'\nmain = 'auth'";
    on_a_free_port(host(), &[AUTH, second]).unwrap().stop();
}

#[test]
fn a_host_can_be_started_and_stopped_inside_of_a_runtime() {
    on_tokio(async {
        let running = on_a_free_port(host(), &[&failing("one", "")]).unwrap();
        running.stop();
    });
}
