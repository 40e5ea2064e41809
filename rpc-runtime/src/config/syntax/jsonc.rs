//! JSON with comments, and with commas after the last element: what editors and wrangler call JSONC.

use std::borrow::Cow;
use std::sync::Arc;

use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::tokens::Token;
use jsonc_parser::{
    CollectOptions, ParseOptions, ParseStringErrorKind, Scanner, ScannerOptions, ast, parse_to_ast,
};

use crate::config::place::{Place, Source, shortened};
use crate::config::value::{Entry, Node, Table, Value};
use crate::config::{Fault, Faults};

pub(super) fn parse(source: &Arc<Source>, faults: &mut Faults) -> (Table, bool) {
    let (whole, text) = (Place::whole(source), without_mark(source.text()));
    match read(&whole, &text) {
        Ok(object) => {
            let mut lowering = Lowering { whole: &whole, faults };
            (lowering.table(object), true)
        }
        Err(fault) => {
            faults.push(fault);
            (Table::default(), false)
        }
    }
}

fn read<'t>(whole: &Place, text: &'t str) -> Result<ast::Object<'t>, Fault> {
    if let Some(at) = first_too_deep(text) {
        let fault = whole.at(at..at + 1).fault("nested too deeply");
        return Err(fault.with_expected(format_args!("at most {DEPTH_MAX} levels")).with_received("more"));
    }
    let read = parse_to_ast(text, &CollectOptions::default(), &OPTIONS);
    let value = read.map_err(|error| grammar_fault(whole, text, &error))?.value;
    match value {
        Some(ast::Value::Object(object)) => Ok(object),
        Some(other) => Err(super::fault(&whole.at(other.start()..other.end()), "no configuration", "`{`")),
        None => Err(super::fault(&whole.at(text.len()..text.len()), "no configuration", "`{`")),
    }
}

/// How deep values may be nested: as deep as those of TOML, so that walking the tree is safe.
const DEPTH_MAX: usize = 80;

/// What JSON allows, comments, and commas after the last element. No more of what the parser could read: other tools
/// could not.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The text without its byte order mark, each place where it was.
fn without_mark(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => format!("   {rest}").into(),
        None => text.into(),
    }
}

/// Where values begin to be nested too deeply. The parser recurses into them, so it is asked before.
fn first_too_deep(text: &str) -> Option<usize> {
    let options = ScannerOptions {
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let mut scanner = Scanner::new(text, &options);
    let mut depth = 0_usize;
    // Whatever ends the text too early is a fault that the parser finds again.
    while let Ok(Some(token)) = scanner.scan() {
        match token {
            Token::OpenBrace | Token::OpenBracket => depth += 1,
            Token::CloseBrace | Token::CloseBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(scanner.token_start());
        }
    }
    None
}

/// The one mistake that the parser tells of: it does not go on behind it.
fn grammar_fault(whole: &Place, text: &str, error: &ParseError) -> Fault {
    let (problem, expected) = words(error.kind());
    let range = error.range();
    let is_open = matches!(
        error.kind(),
        ParseErrorKind::UnterminatedObject
            | ParseErrorKind::UnterminatedArray
            | ParseErrorKind::UnterminatedCommentBlock
    );
    if !is_open {
        return super::fault(&whole.at(range.start..range.end), problem, expected);
    }
    let end = text.trim_end().len();
    (whole.at(end..end).fault(problem).with_expected(expected).with_received("the end of the file"))
        .with_related(&whole.at(range.start..range.start + 1), "it begins here")
}

fn words(kind: &ParseErrorKind) -> (&'static str, &'static str) {
    use ParseErrorKind as Error;
    match kind {
        Error::ExpectedColonAfterObjectKey => ("a key without a value", "`:` after the key"),
        Error::ExpectedObjectValue => ("a key without a value", "a value after `:`"),
        Error::ExpectedStringObjectProperty => ("a key without quotes", "a key in double quotes"),
        Error::ExpectedComma => ("two values without a comma", "`,`"),
        Error::SingleQuotedStringsNotAllowed => ("single quotes", "a string in double quotes"),
        Error::String(ParseStringErrorKind::UnterminatedStringLiteral) => {
            ("a string without its end", "`\"` on the same line")
        }
        Error::String(_) => ("not a valid string", "an escape such as `\\n` or `\\u00e9`"),
        Error::UnterminatedObject => ("an object without its end", "`}`"),
        Error::UnterminatedArray => ("an array without its end", "`]`"),
        Error::UnterminatedCommentBlock => ("a comment without its end", "`*/`"),
        Error::MultipleRootJsonValues => ("text behind the end", "one object, and nothing after it"),
        Error::UnexpectedWord => ("a word without quotes", "a value, strings in double quotes"),
        Error::ExpectedDigit
        | Error::ExpectedDigitFollowingNegativeSign
        | Error::ExpectedPlusMinusOrDigitInNumberLiteral
        | Error::BareDecimalPointNumbersNotAllowed
        | Error::HexadecimalNumbersNotAllowed
        | Error::NonFiniteNumbersNotAllowed
        | Error::UnaryPlusNumbersNotAllowed => ("not a valid number", "one such as `-1` or `2.5e3`"),
        _ => ("not JSON", "a value, or a key in double quotes"),
    }
}

struct Lowering<'a> {
    whole: &'a Place,
    faults: &'a mut Faults,
}

impl Lowering<'_> {
    fn table(&mut self, object: ast::Object<'_>) -> Table {
        let mut table = Table::default();
        let mut known = std::collections::HashMap::new();
        for property in object.properties {
            let key_span = property.name.start()..property.name.end();
            let key = match property.name {
                ast::ObjectPropName::String(text) => text.value.into_owned(),
                ast::ObjectPropName::Word(word) => word.value.to_owned(),
            };
            // What stands under a key that is there already is read all the same, for its faults.
            let node = self.node(property.value);
            match known.get(&key) {
                Some(first) => self.duplicate(&key, key_span, first),
                None => {
                    known.insert(key.clone(), key_span.clone());
                    table.entries.push(Entry { key, key_span, node });
                }
            }
        }
        table
    }

    fn duplicate(&mut self, key: &str, again: std::ops::Range<usize>, first: &std::ops::Range<usize>) {
        if self.faults.is_full() {
            return self.faults.omit();
        }
        self.faults.push(
            (self.whole.at(again).fault("duplicate key").with_expected("each key once"))
                .with_received(format_args!("`{}` again", shortened(key)))
                .with_related(&self.whole.at(first.clone()), "the first one is here"),
        );
    }

    fn node(&mut self, value: ast::Value<'_>) -> Node {
        let span = value.start()..value.end();
        let value = match value {
            ast::Value::StringLit(text) => Value::String(text.value.into_owned()),
            ast::Value::NumberLit(number) => lower_number(number.value),
            ast::Value::BooleanLit(boolean) => Value::Boolean(boolean.value),
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::Object(object) => Value::Table(self.table(object)),
            ast::Value::Array(array) => {
                Value::Array(array.elements.into_iter().map(|element| self.node(element)).collect())
            }
        };
        Node { span, value }
    }
}

fn lower_number(text: &str) -> Value {
    if !text.contains(['.', 'e', 'E']) {
        return text.parse().map_or_else(|_| Value::Oversized(text.to_owned()), Value::Integer);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::Float(number),
        _ => Value::Oversized(text.to_owned()),
    }
}
