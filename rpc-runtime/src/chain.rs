//! Errors in one line.

use std::fmt;

/// An error with what caused it: `cannot connect: connection refused`.
pub(crate) struct Chain<'a, E>(pub(crate) &'a E);

impl<E: std::error::Error> fmt::Display for Chain<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
