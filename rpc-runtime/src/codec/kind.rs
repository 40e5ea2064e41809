//! How each argument and result is written and read, decided by its type.
//!
//! As in [`by_type`](crate::shape::by_type), an inherent constant whose bound holds goes before the constant of a
//! trait with the same name: `Of::<T>::KIND` is [`RunOf`] where `T` is a byte run and [`Plain`] where not, also
//! through an alias. The bytes are the same.

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
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be lent over a boundary",
    label = "`{Self}` has no owned form to be read into",
    note = "`&T` is read into a `T`, `&str` and `&[u8]` borrow from the frame"
)]
pub trait Lend {
    /// The owned form: the type itself if it has a size, else a box or a vector.
    type Owned;
}

#[diagnostic::do_not_recommend]
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
    /// Behind a `&`, as serde says.
    LentPlain<X: ?Sized>;
    /// Behind a `&`, a byte run.
    LentRun<X: ?Sized>;
    /// A `Result` with a byte run inside.
    RunAnswer<T, E>;
    /// Finds the kind of `&X`. Only expansions name it.
    Lent<X: ?Sized>;
    /// Finds the kind of a method's result. Only expansions name it.
    Answer<R>;
}

/// The kind of what is no byte run.
pub trait PlainKind {
    /// The kind's marker.
    type Kind;

    /// The kind.
    const KIND: Self::Kind;
}

impl<T> PlainKind for Of<T> {
    type Kind = Plain<T>;
    const KIND: Plain<T> = Plain(PhantomData);
}

impl<X: ?Sized> PlainKind for Lent<X> {
    type Kind = LentPlain<X>;
    const KIND: LentPlain<X> = LentPlain(PhantomData);
}

impl<R> PlainKind for Answer<R> {
    type Kind = Plain<R>;
    const KIND: Plain<R> = Plain(PhantomData);
}

impl<T: Run> Of<T> {
    /// The kind of a byte run.
    pub const KIND: RunOf<T> = RunOf(PhantomData);
}

impl<X: Run + ?Sized> Lent<X> {
    /// The kind of a byte run behind a `&`.
    pub const KIND: LentRun<X> = LentRun(PhantomData);
}

impl<T: Run, E> Answer<Result<T, E>> {
    /// The kind of a result with a byte run inside.
    pub const KIND: RunAnswer<T, E> = RunAnswer(PhantomData);
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

/// Written as serde writes a `Result`: a variant's index, then what it holds.
impl<'f, T, E> Kind<'f> for RunAnswer<T, E>
where
    T: ReadRun<'f>,
    E: Serialize + Deserialize<'f>,
{
    type Given = Result<T, E>;
    type Read = Result<T, E>;

    fn write(given: Result<T, E>, to: &mut Encoder) -> Result<(), Unwritten> {
        to.result(given)
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
