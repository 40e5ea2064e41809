//! Rules over the whole model: each is one function with the rule in prose above it.

use crate::errors::Errors;
use crate::service::model::{Method, Service};

mod names;
mod types;

pub(super) fn service(errors: &mut Errors, service: &Service) {
    names::service(errors, service);
    for method in &service.methods {
        names::method(errors, method);
        types::method(errors, method, service.local);
        if service.local {
            no_spawn(errors, method);
        } else {
            not_too_many(errors, method);
        }
    }
}

/// A boundary carries arguments as a tuple, and what tuples can do is written out for each length.
fn not_too_many(errors: &mut Errors, method: &Method) {
    if let Some(argument) = method.arguments.get(ARGUMENTS_MAX) {
        errors.at(
            &argument.name,
            format_args!(
                "a method takes at most {ARGUMENTS_MAX} arguments: put those that belong together into a struct \
                 with `#[message]`"
            ),
        );
    }
}

/// As many as `rpc_runtime` has tuples that can be written and read.
const ARGUMENTS_MAX: usize = 16;

/// A task of its own may run on another thread.
fn no_spawn(errors: &mut Errors, method: &Method) {
    if let Some(word) = &method.spawn {
        errors.at(word, "leave out `spawn`: a local service never leaves its thread, and a task may");
    }
}
