//! Why a value could not be written, or not be read.

use std::{
    error::Error as StdError,
    fmt::{self, Display},
};

use serde::{de, ser};

use crate::{
    error::{Error, Exceeded, Kind},
    service::MethodInfo,
};

/// Why a value could not be read. One pointer wide, so that the way of the values that can stays short.
#[derive(Clone, Debug)]
pub struct Unread(Box<Fault>);

/// Why a value could not be written.
#[derive(Clone, Debug)]
pub struct Unwritten(Box<Fault>);

#[derive(Clone, Debug)]
struct Fault {
    reason: Reason,
    /// Which argument it is; the result if none.
    argument: Option<usize>,
}

#[derive(Clone, Debug)]
enum Reason {
    /// What is wrong with the value.
    Value(String),
    Limit(Exceeded),
}

impl Unread {
    #[cold]
    pub(crate) fn value(what: impl Into<String>) -> Self {
        Self(Fault::of(Reason::Value(what.into())))
    }

    #[cold]
    pub(super) fn limit(limit: &'static str, value: usize) -> Self {
        Self(Fault::of(Reason::Limit(Exceeded::new(limit, value as u64))))
    }

    /// What postcard, which reads single numbers and strings, has against them.
    #[cold]
    pub(super) fn leaf(error: &postcard::Error) -> Self {
        use postcard::Error::{
            DeserializeBadBool, DeserializeBadChar, DeserializeBadUtf8, DeserializeBadVarint,
            DeserializeUnexpectedEnd,
        };
        Self::value(match error {
            DeserializeUnexpectedEnd => "its bytes end too early".to_owned(),
            DeserializeBadVarint => "a number does not fit its type".to_owned(),
            DeserializeBadBool => "a bool is neither 0 nor 1".to_owned(),
            DeserializeBadChar => "a char is not one".to_owned(),
            DeserializeBadUtf8 => "a string is not UTF-8".to_owned(),
            other => other.to_string(),
        })
    }

    #[cold]
    pub(super) fn in_argument(mut self, index: usize) -> Self {
        self.0.argument = Some(index);
        self
    }

    /// Where the other one arose, this one's reason.
    pub(super) fn at_the_place_of(mut self, other: &Self) -> Self {
        self.0.argument = other.0.argument;
        self
    }

    /// The error of a call of `method`, made in the current invocation: it names the value, and what is wrong with
    /// it or which limit it meets.
    #[cold]
    #[must_use]
    pub fn into_error(self, method: &MethodInfo) -> Error {
        Error::new(self.into_kind(method))
    }

    pub(crate) fn into_kind(self, method: &MethodInfo) -> Kind {
        self.0.into_kind(method, "cannot be read")
    }
}

impl Unwritten {
    #[cold]
    pub(crate) fn value(what: impl Into<String>) -> Self {
        Self(Fault::of(Reason::Value(what.into())))
    }

    #[cold]
    pub(super) fn limit(limit: &'static str, value: usize) -> Self {
        Self(Fault::of(Reason::Limit(Exceeded::new(limit, value as u64))))
    }

    #[cold]
    pub(super) fn in_argument(mut self, index: usize) -> Self {
        self.0.argument = Some(index);
        self
    }

    /// The error of a call of `method`, as [`Unread::into_error`].
    #[cold]
    #[must_use]
    pub fn into_error(self, method: &MethodInfo) -> Error {
        Error::new(self.into_kind(method))
    }

    pub(crate) fn into_kind(self, method: &MethodInfo) -> Kind {
        self.0.into_kind(method, "cannot be written")
    }
}

impl Fault {
    fn of(reason: Reason) -> Box<Self> {
        Box::new(Self { reason, argument: None })
    }

    fn into_kind(self, method: &MethodInfo, cannot: &str) -> Kind {
        let name = self.argument.and_then(|index| method.args.get(index)).map(|(name, _)| *name);
        let place = match name {
            Some(name) => format!("argument `{name}` of `{}/{}`", method.service, method.name),
            None => format!("the result of `{}/{}`", method.service, method.name),
        };
        match self.reason {
            Reason::Value(what) => Kind::Decode(format!("{place} {cannot}: {what}").into()),
            Reason::Limit(exceeded) => {
                let limit = format!("{} in {place}", exceeded.limit).into();
                Kind::Limit(Exceeded { limit, ..exceeded })
            }
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Value(what) => f.write_str(what),
            Reason::Limit(exceeded) => exceeded.fmt(f),
        }
    }
}

impl Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Unread {}

impl StdError for Unwritten {}

impl de::Error for Unread {
    fn custom<T: Display>(message: T) -> Self {
        Self::value(message.to_string())
    }
}

impl ser::Error for Unwritten {
    fn custom<T: Display>(message: T) -> Self {
        Self::value(message.to_string())
    }
}
