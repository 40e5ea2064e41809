//! The tables `limits` and `dev`.

use std::net::{IpAddr, Ipv6Addr};

use rpc_runtime::{LimitMode, Limits};

use super::*;

fn parse(more: &str) -> Result<Config, Faults> {
    Config::parse("w.toml", format!("name = 'a'\nmain = 'a'\n{more}"))
}

fn all_told(more: &str) -> Vec<String> {
    parse(more).unwrap_err().iter().map(told).collect()
}

#[test]
fn limits_are_those_of_the_profile_where_the_file_does_not_say_otherwise() {
    let limits = |more: &str| parse(more).unwrap().limits;
    assert_eq!(limits(""), Limits::new());
    assert_eq!(limits("[limits]"), Limits::new());
    assert_eq!(limits("limits.profile = 'default'"), Limits::new());
    assert_eq!(limits("limits.profile = 'cloudflare'"), Limits::new().invocations(32));
    assert_eq!(
        limits("limits = { invocations = 50, profile = 'cloudflare', depth = 128 }"),
        Limits::new().invocations(50).depth(128)
    );
    assert_eq!(limits("[limits]\nsubrequests = 0"), Limits::new().subrequests(0));
    assert_eq!(limits("limits.value_bytes = 1024"), Limits::new().value_bytes(1024));
    assert_eq!(limits("limits.mode = 'enforce'"), Limits::new());
    assert_eq!(
        limits("limits = { mode = 'warn', invocations = 5 }"),
        Limits::new().invocations(5).mode(LimitMode::Warn)
    );
}

#[test]
fn a_limit_that_cannot_hold_is_a_fault() {
    assert_eq!(
        all_told("[limits]\nprofile = 'cloudfare'\ndepth = 129\ninvocations = 0\nsubrequests = '9'"),
        [
            "4:11 limits.profile: not a valid value | one of `default`, `cloudflare` | the string \"cloudfare\"",
            "5:9 limits.depth: out of range | an integer from 1 to 128 | the integer 129",
            "6:15 limits.invocations: out of range | an integer from 1 to 2147483647 | the integer 0",
            "7:15 limits.subrequests: wrong type | an integer from 0 to 2147483647 | the string \"9\"",
        ]
    );
    let faults = parse("limits.profile = 'cloudfare'").unwrap_err();
    assert_eq!(faults.iter().next().unwrap().help(), Some("did you mean `cloudflare`?"));
    assert_eq!(
        all_told("[limits]\nvalue_bytes = 33554433\nmode = 'warning'"),
        [
            "4:15 limits.value_bytes: out of range | an integer from 0 to 33554432 | the integer 33554433",
            "5:8 limits.mode: not a valid value | one of `enforce`, `warn` | the string \"warning\"",
        ]
    );
    assert_eq!(all_told("limits = 5"), ["3:10 limits: wrong type | a table | the integer 5"]);
}

#[test]
fn a_limit_that_nothing_enforces_is_not_accepted() {
    let known =
        "one of `profile`, `depth`, `invocations`, `subrequests`, `connections`, `value_bytes`, `mode`";
    assert_eq!(
        all_told("limits.cpu_ms = 50"),
        [format!("3:8 limits.cpu_ms: unknown key | {known} | `cpu_ms`")]
    );
}

#[test]
fn the_port_and_the_address_of_dev_are_read() {
    let dev = parse("[dev]\nport = 0\naddress = '::1'").unwrap().dev;
    assert_eq!(dev.port.as_deref(), Some(&0));
    assert_eq!(dev.address.as_deref(), Some(&IpAddr::V6(Ipv6Addr::LOCALHOST)));
    let dev = parse("").unwrap().dev;
    assert!(dev.port.is_none() && dev.address.is_none());
    assert_eq!(
        all_told("[dev]\nport = 65536\naddress = 'localhost'"),
        [
            "4:8 dev.port: out of range | an integer from 0 to 65535 | the integer 65536",
            "5:11 dev.address: not a valid value | an IP address, such as `127.0.0.1` or `::1` \
             | the string \"localhost\"",
        ]
    );
    // What wrangler calls it.
    let faults = parse("dev.ip = '::1'").unwrap_err();
    assert_eq!(faults.iter().next().unwrap().help(), Some("did you mean `address`?"));
}
