//! What can be seen of a call, by whoever looks.

use tracing::{Level, Span, field};

use crate::{
    client::{Binding, short_name},
    error::Error,
    raw::Payload,
    service::{Answers, MethodInfo},
};

/// Whether anybody looks: one load of a static.
#[inline]
pub(crate) fn is_on() -> bool {
    tracing::level_filters::LevelFilter::current() >= Level::INFO
}

/// The span of a call, under the names of the OpenTelemetry conventions for RPC. `arrived` is a call that came from
/// elsewhere and is served with this one; the call itself has a span there.
#[cold]
pub(crate) fn span(method: &'static MethodInfo, binding: &Binding, arrived: bool) -> Span {
    let span = tracing::info_span!(
        target: "rpc_runtime",
        "call",
        otel.name = field::Empty,
        otel.kind = if arrived { "server" } else { "client" },
        rpc.system.name = "rpc_runtime",
        rpc.method = field::Empty,
        rpc.worker = &*binding.worker,
        rpc.local = !(arrived || binding.is_elsewhere),
        error.r#type = field::Empty,
    );
    if !span.is_disabled() {
        let name = if method.service.is_empty() {
            method.name.to_owned()
        } else {
            format!("{}/{}", method.service, method.name)
        };
        span.record("otel.name", &*name);
        span.record("rpc.method", &*name);
    }
    span
}

/// Says in the span of a call why it failed: the kind of the runtime's error, or the type of the service's own.
#[cold]
pub(crate) fn failure<T>(span: &Span, answer: &T, answers: Answers<T>) {
    if span.is_disabled() {
        return;
    }
    let own = || short_name((answers.failure)());
    span.record("error.type", (answers.cause)(answer).map_or_else(own, Error::kind_name));
}

/// Work given to `wait_until` panicked: nobody waits for it either.
#[cold]
pub(crate) fn panic_in_work(method: &'static MethodInfo, binding: &Binding, payload: Payload) {
    binding.note_panic();
    let description = crate::panics::describe(payload);
    tracing::error!(
        target: "rpc_runtime",
        worker = &*binding.worker,
        service = method.service,
        method = method.name,
        "work given to `wait_until` panicked: {description}",
    );
}

/// What was cancelled panicked while it was dropped: nobody waits for it, so the log has it alone.
#[cold]
pub(crate) fn panic_in_drop(who: &str, method: &'static MethodInfo, binding: &Binding, payload: Payload) {
    // Not among the arguments of the macro: they are left alone when nobody listens, and the payload must end.
    let description = crate::panics::describe(payload);
    tracing::error!(
        target: "rpc_runtime",
        worker = &*binding.worker,
        service = method.service,
        method = method.name,
        "{who} panicked while it was dropped: {description}",
    );
}
