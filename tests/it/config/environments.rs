//! Named environments: what they inherit, and that they inherit nothing else silently.

use super::*;

const GATEWAY: &str = r#"
name = "gateway"
main = "gateway-v2"
services = [
  { binding = "AUTH", service = "auth" },
  { binding = "MAIL", service = "mail" },
]
listen = ["tcp:127.0.0.1:4000"]
vars = { GREETING = "hello", COLOUR = "red" }
secrets.file = "/nowhere/secrets.toml"
limits.depth = 5

[env.staging]
services = [{ binding = "AUTH", service = "auth", environment = "staging" }]
[env.staging.vars]
GREETING = "hello from staging"

[env.production]
name = "front"
main = "gateway-v3"
limits.profile = "cloudflare"
services = [
  { binding = "AUTH", service = "auth" },
  { binding = "COLOUR", service = "colours" },
]
listen = ["tcp:127.0.0.1:5000"]
vars = { MAIL = "none", GREETING = "hi" }
"#;

fn chosen(environment: &str) -> Config {
    Config::parse_environment("w.toml", GATEWAY, environment).unwrap()
}

#[test]
fn an_environment_inherits_what_runs_and_how_far_it_may_go() {
    let staging = chosen("staging");
    assert_eq!((&**staging.name, &**staging.main), ("gateway-staging", "gateway-v2"));
    assert_eq!(staging.limits, rpc_runtime::Limits::new().depth(5));
    assert_eq!(staging.environment.as_deref().map(String::as_str), Some("staging"));
    assert_eq!(staging.name.place().to_string(), "w.toml:13:6");

    let production = chosen("production");
    assert_eq!((&**production.name, &**production.main), ("front", "gateway-v3"));
    assert_eq!(production.limits, rpc_runtime::Limits::cloudflare());
}

#[test]
fn an_environment_has_its_own_bindings_and_the_others_are_listed() {
    let staging = chosen("staging");
    let bindings: Vec<_> = staging.services.iter().map(|service| service.binding.as_str()).collect();
    assert_eq!(bindings, ["AUTH"]);
    assert_eq!(staging.vars.read::<&str>("GREETING").unwrap(), "hello from staging");
    assert!(staging.listen.is_empty());
    assert_eq!(staging.not_inherited(), ["services.MAIL", "vars.COLOUR", "listen", "secrets.file"]);
    // A name that is there as another kind of thing is no oversight.
    assert_eq!(chosen("production").not_inherited(), ["secrets.file"]);

    let missing = staging.service("MAIL").unwrap_err();
    assert_eq!(missing.place().to_string(), "w.toml:14:1");
    assert_eq!(missing.place().field(), "env.staging.services");
}

#[test]
fn a_binding_can_lead_to_an_environment_of_a_worker() {
    let staging = chosen("staging");
    let auth = staging.service("AUTH").unwrap();
    assert_eq!((&**auth.service, auth.target()), ("auth", "auth-staging"));
    assert_eq!(chosen("production").service("AUTH").unwrap().target(), "auth");
}

#[test]
fn without_a_choice_the_top_level_is_what_counts() {
    let text = GATEWAY.replace("secrets.file", "vars.SOME");
    let config = Config::parse("w.toml", text.replace("vars = { GREETING = \"hello\"", "#")).unwrap();
    assert_eq!((&**config.name, config.environment.is_none()), ("gateway", true));
    assert!(config.not_inherited().is_empty());
}

#[test]
fn an_environment_that_is_not_there_is_a_fault() {
    let told_of = |text: &str, environment: &str| -> Vec<_> {
        let faults = Config::parse_environment("w.toml", text, environment).unwrap_err();
        faults.iter().map(|fault| format!("{} / {}", told(fault), fault.help().unwrap())).collect()
    };
    assert_eq!(
        told_of(GATEWAY, "stagin"),
        ["13:2 env: no such environment | an environment `stagin`, which `--env` asks for \
          | `staging`, `production` / there is `staging`"]
    );
    assert_eq!(
        told_of("name = 'a'\nmain = 'a'", "staging"),
        ["1:1 env: no such environment | an environment `staging`, which `--env` asks for \
          | a file without environments / add `[env.staging]` with its bindings, which it does not inherit"]
    );
    let long = format!("name = '{}'\nmain = 'a'\n[env.staging]\n", "a".repeat(60));
    let told = told_of(&long, "staging");
    assert!(told[0].ends_with("a-staging` / give it a `name` of its own"), "{told:?}");
}

#[test]
fn the_faults_of_every_environment_are_told_whichever_is_chosen() {
    let text = "name = 'a'\nmain = 'a'\n[env.one]\nservces = []\nenv = {}\n[env.two]\nvars = { A = 1 }\n\
                services = [{ binding = 'A' }, { binding = 'A', service = 'a' }]\ndev = {}\n[env.'-']\n[env]\nthree = 3\n";
    let known =
        "one of `name`, `main`, `isolation`, `sandbox`, `services`, `listen`, `vars`, `secrets`, `limits`";
    let expected = [
        format!("4:1 env.one.servces: unknown key | {known} | `servces`"),
        format!("5:1 env.one.env: unknown key | {known} | `env`"),
        "7:10 env.two.vars.A: duplicate binding | a name that no other binding or variable has | `A` again"
            .to_owned(),
        "8:13 env.two.services[0].service: missing key | `service = \"..\"` | nothing".to_owned(),
        format!("9:1 env.two.dev: unknown key | {known} | `dev`"),
    ];
    for environment in [None, Some("one"), Some("two")] {
        let faults = match environment {
            Some(environment) => Config::parse_environment("w.toml", text, environment).unwrap_err(),
            None => Config::parse("w.toml", text).unwrap_err(),
        };
        let told: Vec<_> = faults.iter().map(told).collect();
        for expected in &expected {
            assert!(told.contains(expected), "{expected}\n{told:#?}");
        }
    }
}

#[test]
fn json_has_environments_too() {
    let text = r#"{ "name": "a", "main": "a", "vars": { "A": 1 }, "env": { "b": { "vars": { "B": 2 } } } }"#;
    let config = Config::parse_environment("w.json", text, "b").unwrap();
    assert_eq!((&**config.name, config.vars.read::<u8>("B").unwrap()), ("a-b", 2));
    assert_eq!(config.not_inherited(), ["vars.A"]);
    let faults = Config::parse_environment("w.json", text, "other").unwrap_err();
    assert_eq!(
        faults.iter().next().unwrap().help(),
        Some("add `\"env\": { \"other\": { .. } }` with its bindings, which it does not inherit")
    );
}
