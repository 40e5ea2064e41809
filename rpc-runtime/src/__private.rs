//! What expansions name. Not part of the interface: it changes without notice.

pub use std::{
    boxed::Box,
    clone::Clone,
    future::Future,
    marker::{Copy, Send, Sync},
    option::Option::{None, Some},
    sync::Arc,
    time::Duration,
};

pub use crate::{
    call::{Call, call},
    client::Inner,
    local::Local,
    raw::{Flavour, SameThread, Slot, Start, Started, Threaded},
    service::{ArgInfo, Method, MethodId, MethodInfo, Reply, Serves, Service, ServiceInfo, Target},
    worker::Worker,
};
