//! `#[rpc(deadline = "2s")]`.

use std::time::Duration;

use syn::LitStr;

use crate::errors::Errors;

/// A whole number and a unit. Fractions are left out: `1500ms` says it too, and exactly.
pub(super) fn parse(errors: &mut Errors, text: &LitStr) -> Option<Duration> {
    let written = text.value();
    let Some((number, unit)) = split(&written) else {
        let message =
            "a deadline is a whole number and a unit, one of us, ms, s, m, h: `deadline = \"1500ms\"`";
        errors.at(text, message);
        return None;
    };
    let micros = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match micros {
        Some(0) => errors.at(text, "a deadline of zero fails every call: leave it out for none"),
        Some(micros) => return Some(Duration::from_micros(micros)),
        None => errors.at(text, "this deadline is longer than 580,000 years: leave it out for none"),
    }
    None
}

/// The digits and the unit in microseconds.
fn split(written: &str) -> Option<(&str, u64)> {
    let (number, unit) = written.split_at(written.find(|letter: char| !letter.is_ascii_digit())?);
    let unit = match unit.trim_start() {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    (!number.is_empty()).then_some((number, unit))
}
