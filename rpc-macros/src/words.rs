//! The words inside an attribute: `idempotent, deadline = "2s"`.
//!
//! An attribute states its [`Vocabulary`]; reading against it reports every word that is unknown, given
//! twice or of the wrong form, so that those who ask [`Words`] get answers without a failure path.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token, token};

use crate::errors::Errors;

/// What one attribute understands at one place.
pub(crate) struct Vocabulary {
    /// The attribute and its place, as a message begins with it: "`#[rpc(..)]` on a method".
    pub(crate) place: &'static str,
    pub(crate) words: &'static [Known],
    /// Words that mean something at another place, and where: `("default", "an argument")`.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

/// A word and the form it is written in.
pub(crate) enum Known {
    /// Stands alone: `idempotent`.
    Flag(&'static str),
    /// Takes a text; the second part is an example of one: `deadline = "2s"`.
    Text(&'static str, &'static str),
}

/// The words found, each known to the vocabulary and in its form.
pub(crate) struct Words {
    vocabulary: &'static Vocabulary,
    found: Vec<(Ident, Option<LitStr>)>,
}

impl Words {
    pub(crate) fn new(vocabulary: &'static Vocabulary) -> Self {
        Self { vocabulary, found: Vec::new() }
    }

    /// Reads `#[rpc(..)]`; several attributes on one item add up.
    pub(crate) fn read_attribute(&mut self, errors: &mut Errors, attribute: &Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.read(errors, list.tokens.clone()),
            other => errors.at(
                other,
                format_args!("{} needs a word in parentheses: {}", self.vocabulary.place, self.known()),
            ),
        }
    }

    /// Reads what stands between the parentheses.
    pub(crate) fn read(&mut self, errors: &mut Errors, tokens: TokenStream) {
        let words = |input: ParseStream<'_>| {
            while !input.is_empty() {
                self.word(errors, input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = words.parse2(tokens) {
            errors.push(error);
        }
    }

    /// The flag as the user wrote it, if it is there.
    pub(crate) fn flag(&self, name: &str) -> Option<&Ident> {
        self.find(name).map(|(word, _)| word)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        self.find(name).and_then(|(_, text)| text.as_ref())
    }

    fn find(&self, name: &str) -> Option<&(Ident, Option<LitStr>)> {
        self.found.iter().find(|(word, _)| word == name)
    }

    fn word(&mut self, errors: &mut Errors, input: ParseStream<'_>) -> syn::Result<()> {
        // `crate` is a word here, though a keyword elsewhere.
        let word = input.call(Ident::parse_any)?;
        let value = Value::parse(input)?;
        let Some(known) = self.vocabulary.words.iter().find(|known| word == known.name()) else {
            errors.at(&word, self.unknown(&word));
            return Ok(());
        };
        if self.flag(known.name()).is_some() {
            errors.at(&word, format_args!("`{word}` is given twice: leave one of them out"));
            return Ok(());
        }
        match (known, value) {
            (Known::Flag(_), Value::None) => self.found.push((word, None)),
            (Known::Text(..), Value::Text(text)) => self.found.push((word, Some(text))),
            (Known::Flag(_), value) => {
                errors.at(value, format_args!("`{word}` takes no value: write `{word}` alone"));
            }
            (Known::Text(..), Value::None) => {
                errors.at(&word, format_args!("`{word}` needs a text: write `{}`", known.form()));
            }
            (Known::Text(..), value) => {
                errors.at(value, format_args!("`{word}` takes a text: write `{}`", known.form()));
            }
        }
        Ok(())
    }

    fn unknown(&self, word: &Ident) -> String {
        let word = word.to_string();
        let Vocabulary { place, words, elsewhere } = self.vocabulary;
        let hint = if let Some((_, place)) = elsewhere.iter().find(|(name, _)| *name == word) {
            format!(", it belongs on {place};")
        } else if let Some(near) = nearest(&word, words.iter().map(Known::name)) {
            format!(", did you mean `{near}`?")
        } else {
            ";".to_owned()
        };
        format!("{place} has no `{word}`{hint} known here: {}", self.known())
    }

    /// The known words, each in its form, as a list for people.
    fn known(&self) -> String {
        let forms: Vec<_> = self.vocabulary.words.iter().map(|word| format!("`{}`", word.form())).collect();
        forms.join(", ")
    }
}

impl Known {
    fn name(&self) -> &'static str {
        match self {
            Self::Flag(name) | Self::Text(name, _) => name,
        }
    }

    fn form(&self) -> String {
        match self {
            Self::Flag(name) => (*name).to_owned(),
            Self::Text(name, example) => format!("{name} = {example:?}"),
        }
    }
}

/// What follows a word.
enum Value {
    None,
    Text(LitStr),
    /// Anything else a user may try: `= 2`, `("2s")`.
    Other(TokenStream),
}

impl Value {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.parse::<Option<Token![=]>>()?.is_some() {
            return Ok(match input.parse()? {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Self::Text(text),
                other => Self::Other(other.into_token_stream()),
            });
        }
        if input.peek(token::Paren) {
            return Ok(Self::Other(input.parse::<proc_macro2::Group>()?.into_token_stream()));
        }
        Ok(Self::None)
    }
}

impl ToTokens for Value {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::None => {}
            Self::Text(text) => text.to_tokens(tokens),
            Self::Other(other) => other.to_tokens(tokens),
        }
    }
}

/// The candidate that differs least from `word`, unless all are too far to be what was meant.
fn nearest(word: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let tolerated = (word.chars().count() / 2).clamp(1, 2);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: how many letters must be added, removed or replaced.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..to.len() {
            let replaced = diagonal + usize::from(to[column] != letter);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_letters() {
        for (from, to, expected) in [
            ("", "abc", 3),
            ("spawn", "spawn", 0),
            ("spwan", "spawn", 2),
            ("idempotant", "idempotent", 1),
            ("rname", "rename", 1),
            ("renamed", "rename", 1),
        ] {
            assert_eq!(distance(from, to), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn only_a_near_word_is_offered() {
        let known = ["idempotent", "deadline", "rename", "spawn"];
        assert_eq!(nearest("idempotant", known.into_iter()), Some("idempotent"));
        assert_eq!(nearest("spwan", known.into_iter()), Some("spawn"));
        assert_eq!(nearest("name", known.into_iter()), Some("rename"));
        assert_eq!(nearest("retry", known.into_iter()), None);
    }
}
