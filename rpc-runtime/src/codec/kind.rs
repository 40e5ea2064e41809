//! How each argument and result is written and read, decided by its type.
//!
//! As in [`by_type`](crate::shape::by_type), rustc decides: an inherent method whose bound holds goes before the
//! method of a trait with the same name, and that one before the same method of a reference. So
//! `Of::<T>::NEW.__kind()` is [`RunOf`] where `T` is a byte run, else [`Plain`] where serde knows it, also through an
//! alias; the bytes are the same. What serde does not know is [`Unknown`], so that a type which cannot be carried
//! is told so once, by [`argument`](crate::carried::argument).

use std::{
    ffi::{CStr, OsStr},
    fmt,
    marker::PhantomData,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Decoder, Encoder, Unread, Unwritten};
use crate::shape::{
    by_type::Of,
    run::{AsRun, ReadRun, Run},
};

/// How a value is written and read, within a frame that lives for `'f`.
pub trait Kind<'f>: Copy {
    /// What a caller gives.
    type Given;

    /// What is read.
    type Read;

    /// Writes it.
    ///
    /// # Errors
    ///
    /// When the value is too long, or its `Serialize` gives up.
    fn write(given: Self::Given, to: &mut Encoder) -> Result<(), Unwritten>;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When the bytes are not those of such a value, nest too deep or take too much memory.
    fn read(from: &mut Decoder<'f>) -> Result<Self::Read, Unread>;
}

/// How a method's result is written and read, within a frame that lives for `'f`.
pub trait Outcome<'f>: Copy {
    /// The result.
    type Output;

    /// Writes it.
    ///
    /// # Errors
    ///
    /// As [`Kind::write`].
    fn write(output: Self::Output, to: &mut Encoder) -> Result<(), Unwritten>;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// As [`Kind::read`].
    fn read(from: &mut Decoder<'f>) -> Result<Self::Output, Unread>;
}

/// The kinds of all arguments of a method: a tuple of up to 16.
pub trait Kinds<'f>: Copy {
    /// The arguments as they are given.
    type Given;

    /// The arguments as they are read.
    type Read;

    /// Writes them.
    ///
    /// # Errors
    ///
    /// The first argument's that cannot be written.
    fn write(given: Self::Given, to: &mut Encoder) -> Result<(), Unwritten>;

    /// Reads them.
    ///
    /// # Errors
    ///
    /// The first argument's that cannot be read.
    fn read(from: &mut Decoder<'f>) -> Result<Self::Read, Unread>;
}

/// What stands behind a `&` in a signature, and what it is read into.
pub trait Lend {
    /// The owned form: the type itself if it has a size, else a box or a vector.
    type Owned;
}

impl<T> Lend for T {
    type Owned = T;
}

impl<T> Lend for [T] {
    type Owned = Vec<T>;
}

macro_rules! boxed {
    ($($ty:ty),* $(,)?) => {$(
        impl Lend for $ty {
            type Owned = Box<$ty>;
        }
    )*};
}

boxed!(str, CStr, OsStr, Path);

macro_rules! markers {
    ($($(#[$doc:meta])* $name:ident<$($parameter:ident $(: ?$sized:ident)?),+>;)*) => {$(
        $(#[$doc])*
        pub struct $name<$($parameter $(: ?$sized)?),+>(PhantomData<fn() -> ($(PhantomData<$parameter>,)+)>);

        impl<$($parameter $(: ?$sized)?),+> Clone for $name<$($parameter),+> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter $(: ?$sized)?),+> Copy for $name<$($parameter),+> {}

        impl<$($parameter $(: ?$sized)?),+> fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

markers! {
    /// As serde says.
    Plain<T>;
    /// A byte run.
    RunOf<T>;
    /// What is refused elsewhere.
    Unknown<T>;
    /// Behind a `&`, as serde says.
    LentPlain<X: ?Sized>;
    /// Behind a `&`, a byte run.
    LentRun<X: ?Sized>;
    /// Behind a `&`, what is refused elsewhere.
    LentUnknown<X: ?Sized>;
    /// A `Result` with a byte run inside.
    RunAnswer<T, E>;
    /// Finds the kind of `&X`. Only expansions name it.
    Lent<X: ?Sized>;
    /// Finds the kind of a method's result. Only expansions name it.
    Answer<R>;
}

impl<T: ?Sized> Of<T> {
    /// What `kind` is asked of.
    pub const NEW: Self = Self::new();
}

impl<X: ?Sized> Lent<X> {
    /// What `kind` is asked of.
    pub const NEW: Self = Self(PhantomData);
}

impl<R> Answer<R> {
    /// What `kind` is asked of.
    pub const NEW: Self = Self(PhantomData);
}

impl<T: Run> Of<T> {
    /// The kind of a byte run.
    #[must_use]
    pub const fn __kind(self) -> RunOf<T> {
        RunOf(PhantomData)
    }
}

impl<X: Run + ?Sized> Lent<X> {
    /// The kind of a byte run behind a `&`.
    #[must_use]
    pub const fn __kind(self) -> LentRun<X> {
        LentRun(PhantomData)
    }
}

impl<T: Run, E> Answer<Result<T, E>> {
    /// The kind of a result with a byte run inside.
    #[must_use]
    pub const fn __kind(self) -> RunAnswer<T, E> {
        RunAnswer(PhantomData)
    }
}

/// The kind of what is no byte run.
pub trait PlainKind<'f>: Sized {
    /// The kind's marker.
    type Kind;

    /// The kind.
    fn __kind(self) -> Self::Kind;
}

impl<'f, T: Serialize + Deserialize<'f>> PlainKind<'f> for Of<T> {
    type Kind = Plain<T>;

    fn __kind(self) -> Plain<T> {
        Plain(PhantomData)
    }
}

impl<'f, X: Serialize + Lend<Owned: Deserialize<'f>> + ?Sized> PlainKind<'f> for Lent<X> {
    type Kind = LentPlain<X>;

    fn __kind(self) -> LentPlain<X> {
        LentPlain(PhantomData)
    }
}

impl<'f, R: Serialize + Deserialize<'f>> PlainKind<'f> for Answer<R> {
    type Kind = Plain<R>;

    fn __kind(self) -> Plain<R> {
        Plain(PhantomData)
    }
}

/// The kind of what serde does not know.
pub trait UnknownKind: Sized {
    /// The kind's marker.
    type Kind;

    /// The kind.
    fn __kind(self) -> Self::Kind;
}

impl<T> UnknownKind for &Of<T> {
    type Kind = Unknown<T>;

    fn __kind(self) -> Unknown<T> {
        Unknown(PhantomData)
    }
}

impl<X: ?Sized> UnknownKind for &Lent<X> {
    type Kind = LentUnknown<X>;

    fn __kind(self) -> LentUnknown<X> {
        LentUnknown(PhantomData)
    }
}

impl<R> UnknownKind for &Answer<R> {
    type Kind = Unknown<R>;

    fn __kind(self) -> Unknown<R> {
        Unknown(PhantomData)
    }
}

impl<'f, T: Serialize + Deserialize<'f>> Kind<'f> for Plain<T> {
    type Given = T;
    type Read = T;

    fn write(given: T, to: &mut Encoder) -> Result<(), Unwritten> {
        to.value(&given)
    }

    fn read(from: &mut Decoder<'f>) -> Result<T, Unread> {
        from.value()
    }
}

impl<'f, T: ReadRun<'f>> Kind<'f> for RunOf<T> {
    type Given = T;
    type Read = T;

    fn write(given: T, to: &mut Encoder) -> Result<(), Unwritten> {
        to.run(given)
    }

    fn read(from: &mut Decoder<'f>) -> Result<T, Unread> {
        T::read_run(from.part::<T>())
    }
}

impl<'f, X> Kind<'f> for LentPlain<X>
where
    X: Serialize + Lend<Owned: Deserialize<'f>> + ?Sized + 'f,
{
    type Given = &'f X;
    type Read = X::Owned;

    fn write(given: &'f X, to: &mut Encoder) -> Result<(), Unwritten> {
        to.value(given)
    }

    fn read(from: &mut Decoder<'f>) -> Result<X::Owned, Unread> {
        from.value()
    }
}

impl<'f, X> Kind<'f> for LentRun<X>
where
    X: Run + Lend<Owned: ReadRun<'f>> + ?Sized + 'f,
{
    type Given = &'f X;
    type Read = X::Owned;

    fn write(given: &'f X, to: &mut Encoder) -> Result<(), Unwritten> {
        to.value(&AsRun(given))
    }

    fn read(from: &mut Decoder<'f>) -> Result<X::Owned, Unread> {
        X::Owned::read_run(from.part::<X::Owned>())
    }
}

impl<'f, R: Serialize + Deserialize<'f>> Outcome<'f> for Plain<R> {
    type Output = R;

    fn write(output: R, to: &mut Encoder) -> Result<(), Unwritten> {
        to.value(&output)
    }

    fn read(from: &mut Decoder<'f>) -> Result<R, Unread> {
        from.value()
    }
}

impl<T> Kind<'_> for Unknown<T> {
    type Given = T;
    type Read = T;

    fn write(_: T, _: &mut Encoder) -> Result<(), Unwritten> {
        Err(Unwritten::value(NEITHER))
    }

    fn read(_: &mut Decoder<'_>) -> Result<T, Unread> {
        Err(Unread::value(NEITHER))
    }
}

impl<'f, X: Lend + ?Sized + 'f> Kind<'f> for LentUnknown<X> {
    type Given = &'f X;
    type Read = X::Owned;

    fn write(_: &'f X, _: &mut Encoder) -> Result<(), Unwritten> {
        Err(Unwritten::value(NEITHER))
    }

    fn read(_: &mut Decoder<'f>) -> Result<X::Owned, Unread> {
        Err(Unread::value(NEITHER))
    }
}

impl<R> Outcome<'_> for Unknown<R> {
    type Output = R;

    fn write(_: R, _: &mut Encoder) -> Result<(), Unwritten> {
        Err(Unwritten::value(NEITHER))
    }

    fn read(_: &mut Decoder<'_>) -> Result<R, Unread> {
        Err(Unread::value(NEITHER))
    }
}

/// Nobody reads it: an expansion with such a type does not compile.
const NEITHER: &str = "its type is not both `Serialize` and `Deserialize`";

/// Written as serde writes a `Result`: a variant's index, then what it holds.
impl<'f, T, E> Outcome<'f> for RunAnswer<T, E>
where
    T: ReadRun<'f>,
    E: Serialize + Deserialize<'f>,
{
    type Output = Result<T, E>;

    fn write(output: Result<T, E>, to: &mut Encoder) -> Result<(), Unwritten> {
        to.result(output)
    }

    fn read(from: &mut Decoder<'f>) -> Result<Result<T, E>, Unread> {
        match from.value::<u32>()? {
            0 => T::read_run(from.part::<T>()).map(Ok),
            1 => from.value().map(Err),
            tag => Err(Unread::value(format!("the tag of a result is {tag}, neither 0 nor 1"))),
        }
    }
}

macro_rules! tuples {
    ($(($($kind:ident $at:tt),*);)*) => {$(
        impl<'f, $($kind: Kind<'f>),*> Kinds<'f> for ($($kind,)*) {
            type Given = ($($kind::Given,)*);
            type Read = ($($kind::Read,)*);

            #[allow(unused_variables, reason = "the empty tuple has nothing to write")]
            fn write(given: Self::Given, to: &mut Encoder) -> Result<(), Unwritten> {
                $(
                    to.expect_argument($at);
                    $kind::write(given.$at, to).map_err(|unwritten| unwritten.in_argument($at))?;
                )*
                Ok(())
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple has nothing to read")]
            fn read(from: &mut Decoder<'f>) -> Result<Self::Read, Unread> {
                Ok(($($kind::read(from).map_err(|unread| unread.in_argument($at))?,)*))
            }
        }
    )*};
}

tuples! {
    ();
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15);
}
