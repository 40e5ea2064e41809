//! Typed calls between Workers.
