//! Configuration files: what is read, and that every fault is told at once with its place.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rpc_runtime::config::{Config, Fault, Faults};
use serde::Deserialize;

mod environments;
mod json;
mod limits;
mod sandbox;
mod schema;
mod secrets;

const GATEWAY: &str = r#"
name = "gateway"
main = "gateway-v2"
services = [
  { binding = "AUTH", service = "auth" },
  { binding = "ADMIN", service = "auth", entrypoint = "Admin" },
]

[vars]
GREETING = "hello"
WORKERS = 300
RATIO = 0.5
STRICT = true
SINCE = 1979-05-27
BIG = 18446744073709551615
RATE = { per_second = 100, burst = 5, names = ["a", "b"] }
"#;

fn faults(text: &str) -> Faults {
    Config::parse("w.toml", text).unwrap_err()
}

/// `line:column field: problem | expected | received`
fn told(fault: &Fault) -> String {
    let place = fault.place();
    let (line, column, field) = (place.line(), place.column(), place.field());
    let (expected, received) = (fault.expected().unwrap(), fault.received().unwrap());
    format!("{line}:{column} {field}: {} | {expected} | {received}", fault.problem())
}

fn all_told(text: &str) -> Vec<String> {
    faults(text).iter().map(told).collect()
}

#[test]
fn a_file_is_read_with_the_place_of_each_value() {
    let config = Config::parse("gateway/worker.toml", GATEWAY).unwrap();
    assert_eq!(*config.name, "gateway");
    assert_eq!(*config.main, "gateway-v2");
    assert_eq!(config.main.place().to_string(), "gateway/worker.toml:3:8");
    assert_eq!(config.services.len(), 2);
    assert_eq!(config.services[0].entrypoint.as_deref().map(String::as_str), None);
    let admin = config.service("ADMIN").unwrap();
    assert_eq!(*admin.service, "auth");
    assert_eq!(admin.entrypoint.as_deref().map(String::as_str), Some("Admin"));
    assert_eq!(admin.service.place().field(), "services[1].service");
    assert_eq!((admin.service.place().line(), admin.service.place().column()), (6, 34));
    let names: Vec<_> = config.vars.iter().map(|variable| variable.name().as_str()).collect();
    assert_eq!(names, ["GREETING", "WORKERS", "RATIO", "STRICT", "SINCE", "BIG", "RATE"]);
}

#[test]
fn services_may_be_written_as_sections_or_be_absent() {
    let sections = "name = 'a'\nmain = 'a'\n[[services]]\nbinding = 'B'\nservice = 'b'\n";
    assert_eq!(*Config::parse("w.toml", sections).unwrap().services[0].binding, "B");
    let none = Config::parse("w.toml", "name = 'a'\nmain = 'a'").unwrap();
    assert!(none.services.is_empty());
    assert_eq!(none.vars.iter().count(), 0);
}

#[test]
fn a_variable_is_read_as_the_type_that_is_wanted() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Rate<'a> {
        per_second: u32,
        burst: i8,
        #[serde(borrow)]
        names: Vec<&'a str>,
        queue: Option<u8>,
    }

    let config = Config::parse("w.toml", GATEWAY).unwrap();
    let vars = &config.vars;
    assert_eq!(vars.read::<String>("GREETING").unwrap(), "hello");
    assert_eq!(vars.read::<&str>("GREETING").unwrap(), "hello");
    assert_eq!(vars.read::<u16>("WORKERS").unwrap(), 300);
    assert_eq!(vars.read::<i128>("WORKERS").unwrap(), 300);
    assert_eq!(vars.read::<u64>("BIG").unwrap(), u64::MAX);
    assert_eq!(vars.read::<f64>("RATIO").unwrap(), 0.5);
    assert_eq!(vars.read::<f32>("WORKERS").unwrap(), 300.0);
    assert!(vars.read::<bool>("STRICT").unwrap());
    assert_eq!(vars.read::<&str>("SINCE").unwrap(), "1979-05-27");
    assert_eq!(vars.read::<Option<u16>>("WORKERS").unwrap(), Some(300));
    let rate = Rate { per_second: 100, burst: 5, names: vec!["a", "b"], queue: None };
    assert_eq!(vars.read::<Rate<'_>>("RATE").unwrap(), rate);
}

#[test]
fn a_variable_of_the_wrong_type_is_a_fault_at_its_value() {
    fn told_as<'a, T: Deserialize<'a> + std::fmt::Debug>(config: &'a Config, name: &str) -> String {
        told(&config.vars.read::<T>(name).unwrap_err())
    }
    let config = Config::parse("w.toml", GATEWAY).unwrap();
    let cases = [
        (
            told_as::<u8>(&config, "WORKERS"),
            "11:11 vars.WORKERS: out of range | an integer from 0 to 255 | the integer 300",
        ),
        (
            told_as::<i64>(&config, "BIG"),
            "15:7 vars.BIG: out of range | an integer from -9223372036854775808 to 9223372036854775807 \
             | the integer 18446744073709551615",
        ),
        (
            told_as::<u32>(&config, "GREETING"),
            "10:12 vars.GREETING: wrong type | an integer from 0 to 4294967295 | the string \"hello\"",
        ),
        (
            told_as::<String>(&config, "WORKERS"),
            "11:11 vars.WORKERS: wrong type | a string | the integer 300",
        ),
        (told_as::<bool>(&config, "RATIO"), "12:9 vars.RATIO: wrong type | a boolean | the number 0.5"),
        (told_as::<f64>(&config, "STRICT"), "13:10 vars.STRICT: wrong type | a number | the boolean true"),
        (told_as::<String>(&config, "RATE"), "16:8 vars.RATE: wrong type | a string | a table"),
        (
            told_as::<BTreeMap<String, u8>>(&config, "RATE"),
            "16:47 vars.RATE.names: wrong type | an integer from 0 to 255 | an array",
        ),
    ];
    for (received, expected) in cases {
        assert_eq!(received, expected);
    }
}

#[test]
fn a_fault_inside_a_structured_variable_names_the_part() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its faults are looked at")]
    struct Rate {
        limits: Vec<u8>,
        mode: Mode,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Warn,
        Refuse(#[expect(dead_code, reason = "only its faults are looked at")] u8),
    }
    fn told_of(rate: &str) -> String {
        let text = format!("name = 'a'\nmain = 'a'\n[vars]\nRATE = {rate}");
        let config = Config::parse("w.toml", text).unwrap();
        match config.vars.read::<Rate>("RATE") {
            Ok(rate) => format!("{rate:?}"),
            Err(fault) => told(&fault),
        }
    }
    let cases = [
        (
            "{ limits = [1, 2, 256], mode = 'warn' }",
            "4:26 vars.RATE.limits[2]: out of range | an integer from 0 to 255 | the integer 256",
        ),
        ("{ limits = [] }", "4:8 vars.RATE: missing key | a key `mode` | nothing"),
        (
            "{ limits = [], mod = 1, mode = 'warn' }",
            "4:23 vars.RATE.mod: unknown key | one of `limits`, `mode` | `mod`",
        ),
        (
            "{ limits = [], mode = 'wan' }",
            "4:30 vars.RATE.mode: unknown variant | one of `warn`, `refuse` | `wan`",
        ),
        (
            "{ limits = [], mode = { refuse = -1 } }",
            "4:41 vars.RATE.mode.refuse: out of range | an integer from 0 to 255 | the integer -1",
        ),
        (
            "{ limits = [], mode = { warn = 1 } }",
            "4:39 vars.RATE.mode.warn: wrong type | the variant alone, as a string | the integer 1",
        ),
        ("{ limits = [7], mode = { refuse = 3 } }", "Rate { limits: [7], mode: Refuse(3) }"),
    ];
    for (rate, expected) in cases {
        assert_eq!(told_of(rate), expected, "{rate}");
    }
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = r#"name = "Gateway"
main = ""
servces = 1
services = [
  { binding = 5, service = "auth" },
  { binding = "AUTH", service = "auth", entrypiont = "Admin" },
  7,
  { binding = "AUTH", service = "-x" },
  { service = "auth", entrypoint = "" },
]
[vars]
AUTH = 1
"1x" = 2
"#;
    let names = "lower case letters, digits, `-` and `_`, 1 to 63 of them, no `-` first";
    assert_eq!(
        all_told(text),
        [
            format!("1:8 name: not a valid name | {names} | the string \"Gateway\""),
            "2:8 main: empty | a string that is not empty | the string \"\"".to_owned(),
            "3:1 servces: unknown key | one of `name`, `main`, `isolation`, `sandbox`, `services`, `listen`, `vars`, `secrets`, `limits`, `dev`, `env`, `$schema` | `servces`".to_owned(),
            "5:15 services[0].binding: wrong type | a string | the integer 5".to_owned(),
            "6:41 services[1].entrypiont: unknown key | one of `binding`, `service`, `entrypoint`, `environment`, `props`, `address` | `entrypiont`"
                .to_owned(),
            "7:3 services[2]: wrong type | a table | the integer 7".to_owned(),
            format!("8:33 services[3].service: not a valid name | {names} | the string \"-x\""),
            "9:3 services[4].binding: missing key | `binding = \"..\"` | nothing".to_owned(),
            "9:36 services[4].entrypoint: empty | letters, digits and `_`, no digit first | the string \"\""
                .to_owned(),
            "12:1 vars.AUTH: duplicate binding | a name that no other binding or variable has | `AUTH` again"
                .to_owned(),
            "13:1 vars.1x: not a valid name | letters, digits and `_`, no digit first | `1x`".to_owned(),
        ]
    );
}

#[test]
fn a_fault_is_shown_with_its_line() {
    let text = "name = 'gateway'\nmain = 'gateway'\nservces = []\n";
    let expected = "\
error: servces: unknown key
 --> gateway/worker.toml:3:1
  |
3 | servces = []
  | ^^^^^^^ expected one of `name`, `main`, `isolation`, `sandbox`, `services`, `listen`, `vars`, `secrets`, `limits`, `dev`, `env`, `$schema`, received `servces`
  |
  = help: did you mean `services`?";
    assert_eq!(Config::parse("gateway/worker.toml", text).unwrap_err().to_string(), expected);

    let text = "name = 'a'\nmain = 'a'\nservices = [{ binding = 'A', service = 'b' }]\nvars = { A = 1 }";
    let expected = "\
error: vars.A: duplicate binding
 --> w.toml:4:10
  |
4 | vars = { A = 1 }
  |          ^ expected a name that no other binding or variable has, received `A` again
  |
note: the first one is here
 --> w.toml:3:25
  |
3 | services = [{ binding = 'A', service = 'b' }]
  |                         ^^^";
    assert_eq!(faults(text).to_string(), expected);
}

#[test]
fn faults_of_grammar_and_of_meaning_are_told_together() {
    let text = "name = \nmain = \"a\nservces = 1\nvars = { A = 1, A = 2 }\n";
    assert_eq!(
        all_told(text),
        [
            "1:8 : string values must be quoted | literal string | the end of the line",
            "2:10 : invalid basic string | `\"` | the end of the line",
            "3:1 servces: unknown key | one of `name`, `main`, `isolation`, `sandbox`, `services`, `listen`, `vars`, `secrets`, `limits`, `dev`, `env`, `$schema` | `servces`",
            "4:17 : duplicate key | each key once | `A` again",
        ]
    );
}

#[test]
fn what_is_missing_is_named_with_what_is_near() {
    let config = Config::parse("w.toml", GATEWAY).unwrap();
    let fault = config.service("AUHT").unwrap_err();
    assert_eq!(fault.problem(), "missing binding `AUHT`");
    assert_eq!(fault.help(), Some("there is a binding `AUTH`"));
    let fault = config.vars.read::<u8>("GREETINGS").unwrap_err();
    assert_eq!(fault.place().field(), "vars.GREETINGS");
    assert_eq!(fault.help(), Some("there is a variable `GREETING`"));
    assert_eq!(config.vars.read::<u8>("NOTHING_LIKE_IT").unwrap_err().help(), None);
}

#[test]
fn later_checks_point_at_the_value() {
    let config = Config::parse("gateway/worker.toml", GATEWAY).unwrap();
    let mut faults = Faults::new();
    for service in &config.services {
        let place = service.service.place();
        faults.push(place.fault("unknown service").with_expected("`mail`").with_received("`auth`"));
    }
    faults.push(config.place().fault("not reachable"));
    let shown = faults.result(()).unwrap_err().to_string();
    assert!(shown.starts_with("error: not reachable\n"), "{shown}");
    assert!(shown.contains("error: services[1].service: unknown service\n --> gateway/worker.toml:6:34"));
    assert!(shown.ends_with("3 faults"), "{shown}");
}

#[test]
fn a_fault_without_a_line_shows_none() {
    // Comments first, so that the first line would be nobody's.
    let text = "# site\nname = 'a'\nmain = 'a'\n";
    let config = Config::parse("w.toml", text).unwrap();
    let missing = config.service("AUTH").unwrap_err();
    assert_eq!(missing.place().to_string(), "w.toml");
    assert_eq!(
        missing.to_string(),
        "error: services: missing binding `AUTH`\n--> w.toml\n = note: expected \
         `{ binding = \"AUTH\", service = \"..\" }` in `services`, received no such binding"
    );
    let absent = Config::parse("w.toml", "# site\nname = 'a'\n").unwrap_err();
    assert_eq!(
        absent.to_string(),
        "error: main: missing key\n--> w.toml\n = note: expected `main = \"..\"`, received nothing"
    );
    let missing = config.vars.read::<u8>("COUNT").unwrap_err();
    assert_eq!((missing.place().to_string(), missing.place().field()), ("w.toml".to_owned(), "vars.COUNT"));

    // Where the others stand is the best line for a binding that is missing.
    for services in
        ["services = [{ binding = 'A', service = 'b' }]", "[[services]]\nbinding = 'A'\nservice = 'b'"]
    {
        let config = Config::parse("w.toml", format!("{text}{services}")).unwrap();
        let missing = config.service("AUTH").unwrap_err();
        assert_eq!((missing.place().line(), missing.place().field()), (4, "services"));
    }
}

#[test]
fn files_that_cannot_be_read_are_faults_too() {
    let folder = std::env::temp_dir().join(format!("rpc-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("worker.toml");

    let absent = Config::load(&file).unwrap_err().to_string();
    assert!(absent.contains("the file cannot be read") && absent.contains("worker.toml"), "{absent}");
    assert!(Config::load(&folder).unwrap_err().to_string().contains("the file cannot be read"));

    std::fs::write(&file, GATEWAY).unwrap();
    assert_eq!(*Config::load(&file).unwrap().name, "gateway");

    std::fs::write(&file, b"name = 'a'\nmain = '\xff'\n").unwrap();
    let binary = Config::load(&file).unwrap_err();
    assert_eq!(told(binary.iter().next().unwrap()), "2:9 : the file is not text | UTF-8 | the byte 0xff");

    std::fs::write(&file, "ä".repeat(1 << 20)).unwrap();
    let long = Config::load(&file).unwrap_err();
    assert_eq!(told(long.iter().next().unwrap()), "1:1 : the file is too long | at most 131072 bytes | more");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn hostile_text_never_panics_and_is_bounded_in_time_and_output() {
    let n = Config::FILE_BYTES_MAX;
    let repeated = |unit: &str| unit.repeat(n / unit.len());
    let cases = [
        repeated("x\n"),
        repeated("a=1\n"),
        (0..n / 12).map(|i| format!("k{i:07}=1\n")).collect(),
        repeated("["),
        repeated("{a="),
        format!("a={}", "[".repeat(n - 2)),
        format!("a={}", repeated("{a=").get(..n - 2).unwrap()),
        repeated("a."),
        repeated("\r"),
        repeated("="),
        format!("a=\"{}", "\\q".repeat(n / 2 - 2)),
        repeated("\0"),
        repeated("ä"),
        repeated("\u{feff}"),
        format!("vars = {{ {} }}", "\"1\" = 1, ".repeat(n / 20)),
        format!("services = [{}]", "{},".repeat(n / 8)),
        format!("services = [{}]", "1,".repeat(n / 4)),
        format!("{} = 1", "k".repeat(n - 4)),
    ];
    // A release build takes 40 ms on a quiet machine. What is looked for here is work that grows with the square of
    // the length, which takes minutes.
    let bound = Duration::from_secs(5);
    for text in cases {
        let start = Instant::now();
        let faults = Config::parse("w.toml", text.as_str()).unwrap_err();
        let elapsed = start.elapsed();
        let shown = faults.to_string();
        let beginning: String = text.chars().take(20).collect();
        assert!(elapsed < bound, "{beginning:?}: {elapsed:?}");
        assert!(shown.len() < 200 << 10, "{beginning:?}: {} bytes", shown.len());
    }
}

#[test]
fn every_cut_and_every_changed_byte_gives_a_config_or_faults() {
    for end in (0..=GATEWAY.len()).filter(|end| GATEWAY.is_char_boundary(*end)) {
        if let Err(faults) = Config::parse("w.toml", &GATEWAY[..end]) {
            assert!(!faults.to_string().is_empty());
        }
    }
    for at in 0..GATEWAY.len() {
        for byte in [0, b'\n', b'"', b'[', b'{', b'=', b'.', b'#', b'9'] {
            let mut bytes = GATEWAY.as_bytes().to_vec();
            bytes[at] = byte;
            if let Err(faults) = Config::parse("w.toml", String::from_utf8(bytes).unwrap()) {
                assert!(!faults.to_string().is_empty());
            }
        }
    }
}
