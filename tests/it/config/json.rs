//! The same files in JSON: the same rules, and the same faults at the same places.

use super::*;

const GATEWAY: &str = r#"{
  // Comments, and a comma after the last element, are read as editors read them.
  "name": "gateway",
  "main": "gateway-v2",
  "services": [
    { "binding": "AUTH", "service": "auth" },
    { "binding": "ADMIN", "service": "auth", "entrypoint": "Admin" },
  ],
  /* What it says. */
  "vars": { "GREETING": "h\u00e9llo", "WORKERS": 300, "RATIO": -2.5e-1, "BIG": 18446744073709551615, "NOTHING": null,
    "RATE": { "per_second": 5, "names": ["a", 7] } }
}
"#;

fn parse(text: &str) -> Result<Config, Faults> {
    Config::parse("w.jsonc", text)
}

fn all_told(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(told).collect()
}

#[test]
fn a_file_is_read_with_the_place_of_each_value() {
    for file in ["gateway/worker.json", "gateway/worker.jsonc"] {
        let config = Config::parse(file, GATEWAY).unwrap();
        assert_eq!((&**config.name, &**config.main), ("gateway", "gateway-v2"));
        assert_eq!(config.main.place().to_string(), format!("{file}:4:11"));
        let admin = config.service("ADMIN").unwrap();
        assert_eq!(admin.entrypoint.as_deref().map(String::as_str), Some("Admin"));
        assert_eq!(admin.service.place().field(), "services[1].service");
        assert_eq!((admin.service.place().line(), admin.service.place().column()), (7, 38));
        let vars = &config.vars;
        assert_eq!(vars.read::<&str>("GREETING").unwrap(), "héllo");
        assert_eq!(vars.read::<u16>("WORKERS").unwrap(), 300);
        assert_eq!(vars.read::<f64>("RATIO").unwrap(), -0.25);
        assert_eq!(vars.read::<u64>("BIG").unwrap(), u64::MAX);
        assert_eq!(vars.read::<Option<u8>>("NOTHING").unwrap(), None);
    }
}

#[test]
fn a_variable_of_the_wrong_type_is_a_fault_at_its_value() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its faults are looked at")]
    struct Rate {
        per_second: u8,
        names: Vec<String>,
    }
    let config = parse(GATEWAY).unwrap();
    let cases = [
        (
            told(&config.vars.read::<Rate>("RATE").unwrap_err()),
            "11:47 vars.RATE.names[1]: wrong type | a string | the integer 7",
        ),
        (
            told(&config.vars.read::<String>("RATE").unwrap_err()),
            "11:13 vars.RATE: wrong type | a string | an object",
        ),
        (
            told(&config.vars.read::<String>("NOTHING").unwrap_err()),
            "10:113 vars.NOTHING: wrong type | a string | null",
        ),
    ];
    for (received, expected) in cases {
        assert_eq!(received, expected);
    }
    let missing = config.vars.read::<u8>("GREETINGS").unwrap_err();
    assert_eq!(missing.expected(), Some("`\"GREETINGS\": ..` in `vars`"));
    let missing = config.service("AUHT").unwrap_err();
    assert_eq!(missing.expected(), Some(r#"`{ "binding": "AUHT", "service": ".." }` in `services`"#));
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = r#"{
  "name": "Gateway",
  "servces": 1,
  "services": [
    { "binding": 5, "service": "auth" },
    7,
    { "service": null, "entrypoint": "" }
  ],
  "vars": { "A": 1, "1x": 2, "A": 3 },
  "listen": {}
}"#;
    let names = "lower case letters, digits, `-` and `_`, 1 to 63 of them, no `-` first";
    let mut expected = vec![
        "1:1 main: missing key | `\"main\": \"..\"` | nothing".to_owned(),
        format!("2:11 name: not a valid name | {names} | the string \"Gateway\""),
        "5:18 services[0].binding: wrong type | a string | the integer 5".to_owned(),
        "6:5 services[1]: wrong type | an object | the integer 7".to_owned(),
        "7:5 services[2].binding: missing key | `\"binding\": \"..\"` | nothing".to_owned(),
        "7:18 services[2].service: wrong type | a string | null".to_owned(),
        "7:38 services[2].entrypoint: empty | letters, digits and `_`, no digit first | the string \"\""
            .to_owned(),
        "9:21 vars.1x: not a valid name | letters, digits and `_`, no digit first | `1x`".to_owned(),
        "9:30 : duplicate key | each key once | `A` again".to_owned(),
        "10:13 listen: wrong type | an array of addresses | an object".to_owned(),
    ];
    let mut told = all_told(text);
    let unknown = told.remove(told.iter().position(|fault| fault.contains("servces")).unwrap());
    assert!(unknown.starts_with("3:3 servces: unknown key | one of `"), "{unknown}");
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
    let shown = parse(text).unwrap_err().to_string();
    assert!(shown.contains("= help: write `\"listen\": [ \"unix:/run/auth/auth.sock\" ]`"), "{shown}");
}

#[test]
fn the_first_mistake_against_the_grammar_is_told_in_plain_words() {
    let cases = [
        ("", "1:1 : no configuration | `{` | the end of the file"),
        ("[]", "1:1 : no configuration | `{` | `[`"),
        ("{ \"name\" \"a\" }", "1:10 : a key without a value | `:` after the key | `\"`"),
        ("{ \"name\": }", "1:11 : not JSON | a value, or a key in double quotes | `}`"),
        ("{ name: \"a\" }", "1:3 : a key without quotes | a key in double quotes | `n`"),
        ("{ \"name\": 'a' }", "1:11 : single quotes | a string in double quotes | `'`"),
        ("{ \"name\": a }", "1:11 : a word without quotes | a value, strings in double quotes | `a`"),
        ("{ \"a\": 1 \"b\": 2 }", "1:9 : two values without a comma | `,` | ` `"),
        ("{ \"a\": 0x1f }", "1:8 : not a valid number | one such as `-1` or `2.5e3` | `0`"),
        ("{} {}", "1:4 : text behind the end | one object, and nothing after it | `{`"),
        ("{ \"a\": \"\\q\" }", "1:9 : not a valid string | an escape such as `\\n` or `\\u00e9` | `\\\\`"),
    ];
    for (text, expected) in cases {
        assert_eq!(all_told(text), [expected], "{text}");
    }
    let open = "{\n  \"name\": \"a\",\n  \"vars\": {\n    \"A\": 1\n";
    assert_eq!(
        parse(open).unwrap_err().to_string(),
        "error: an object without its end\n --> w.jsonc:4:11\n  |\n4 |     \"A\": 1\n  |           ^ expected `}`, \
         received the end of the file\n  |\nnote: it begins here\n --> w.jsonc:3:11\n  |\n3 |   \"vars\": {\n  \
         |           ^"
    );
}

#[test]
fn a_byte_order_mark_moves_nothing() {
    let config = parse("\u{feff}{ \"name\": \"a\", \"main\": \"b\" }").unwrap();
    assert_eq!((&**config.name, config.name.place().line()), ("a", 1));
}

#[test]
fn a_file_of_another_kind_is_refused_by_its_name() {
    let refused = Config::parse("worker.yaml", "name: a").unwrap_err();
    let expected =
        "1:1 : a file of another kind | a name that ends in `.toml`, `.json` or `.jsonc` | another ending";
    assert_eq!(refused.iter().map(told).collect::<Vec<_>>(), [expected]);
    // What has no ending, a pipe for instance, is TOML.
    assert_eq!(*Config::parse("/dev/stdin", "name = 'a'\nmain = 'a'").unwrap().name, "a");
}

#[test]
fn hostile_text_never_panics_and_is_bounded_in_time_and_output() {
    let n = Config::FILE_BYTES_MAX;
    let cases = [
        "[".repeat(n),
        "{\"a\":".repeat(n / 5),
        "{\"vars\":{".to_owned() + &"\"A\":1,".repeat(n / 6 - 3) + "}}",
        "{\"vars\":{".to_owned() + &"\"1\":1,".repeat(n / 6 - 3) + "}}",
        "{".to_owned() + &(0..n / 13).map(|i| format!("\"k{i:06}\":1,")).collect::<String>() + "}",
        "{\"services\":[".to_owned() + &"{},".repeat(n / 4) + "]}",
        "/*".repeat(n / 2),
        "//\r".repeat(n / 3),
        "\\".repeat(n),
        format!("{{\"{}\": 1}}", "k".repeat(n - 8)),
        format!("{{\"name\": {}}}", "9".repeat(n - 11)),
        "\u{2028}".repeat(n / 3),
    ];
    for text in cases {
        let start = Instant::now();
        let shown = parse(&text).unwrap_err().to_string();
        let beginning: String = text.chars().take(20).collect();
        assert!(start.elapsed() < Duration::from_secs(5), "{beginning:?}: {:?}", start.elapsed());
        assert!(shown.len() < 200 << 10, "{beginning:?}: {} bytes", shown.len());
    }
    let told = all_told(&format!("{{ \"vars\": {{ \"A\": {}1{} }} }}", "[".repeat(79), "]".repeat(79)));
    assert_eq!(told, ["1:96 : nested too deeply | at most 80 levels | more"]);
}

#[test]
fn every_cut_and_every_changed_byte_gives_a_config_or_faults() {
    for end in (0..=GATEWAY.len()).filter(|end| GATEWAY.is_char_boundary(*end)) {
        if let Err(faults) = parse(&GATEWAY[..end]) {
            assert!(!faults.to_string().is_empty());
        }
    }
    for at in 0..GATEWAY.len() {
        for new in ["\0", "\n", "\"", "[", "}", ":", ",", "/", "\\", "9", "é", "\u{10ffff}"] {
            let text = format!("{}{new}{}", &GATEWAY[..at], &GATEWAY[at + 1..]);
            if let Err(faults) = parse(&text) {
                assert!(!faults.to_string().is_empty());
            }
        }
    }
}
