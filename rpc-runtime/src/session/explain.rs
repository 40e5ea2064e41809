//! Where the contracts of two builds differ: asked for when it matters, by a call of the session itself.
//!
//! A session serves, beside what it was given, the contracts of that: a service of one method that takes the name of
//! a service and answers with its methods. Nobody else's are told.

use std::{
    borrow::Cow,
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    arrival::{Arrival, Handled, Handler},
    outgoing::Outgoing,
    reply::{self, Failed, Reply},
    services::Served,
    shared::Shared,
};
use crate::{
    boundary::{Begun as _, Incoming},
    codec::Encoder,
    contract::Contract,
    error::{Error, Kind},
    invocation::Left,
    service::{MethodInfo, NOT_CARRIED, ServiceInfo},
    shape::Layout,
};

/// The contracts of a session's services, as a service of the session.
static CONTRACTS: ServiceInfo = ServiceInfo::new("rpc.contracts", &[&GET]);

static GET: MethodInfo = MethodInfo::new("rpc.contracts", "get", &[], NOT_CARRIED);

/// One method of a contract.
#[derive(Serialize, Deserialize)]
struct MethodOnWire<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, Layout>,
    output: Cow<'a, Layout>,
}

/// Longest contract that is asked for, in bytes. One of 100 methods with ten fields each has 30 KiB.
const CONTRACT_BYTES_MAX: usize = 256 * 1024;

/// Serves the contracts of these services.
pub(super) fn served(infos: impl IntoIterator<Item = &'static ServiceInfo>) -> Served {
    let infos: Arc<HashMap<_, _>> = Arc::new(infos.into_iter().map(|info| (info.name, info)).collect());
    Served::by_hand(&CONTRACTS, &[&GET], move |call, _| serve(call, &infos))
}

fn serve(call: Arrival, infos: &Arc<HashMap<&'static str, &'static ServiceInfo>>) -> Handler {
    let infos = Arc::clone(infos);
    let (call, begun) = call.__begin();
    begun.__run(async move {
        let name = call.read_with(|decoder| decoder.whole::<&str>())?;
        let Some(info) = infos.get(name) else {
            return Err(Handled::refused(Kind::NotFound("a service of that name".into())));
        };
        let contracts: Vec<_> = info.methods.iter().map(|method| method.contract()).collect();
        let on_wire = contracts.iter().map(|contract| {
            let (name, arguments, output) = contract.parts();
            MethodOnWire {
                name: Cow::Borrowed(name),
                arguments: Cow::Borrowed(arguments),
                output: Cow::Borrowed(output),
            }
        });
        let on_wire: Vec<_> = on_wire.collect();
        call.answer_with(true, |encoder| encoder.value(&Ok::<_, Error>(on_wire)))
    })
}

/// Says of a call that was refused over its contract where the two differ.
pub(super) async fn explained(
    shared: Arc<Shared>,
    service: &'static ServiceInfo,
    method: &'static MethodInfo,
) -> Reply {
    let differences = match known(&shared, method) {
        Some(known) => known,
        None => match theirs(&shared, service).await {
            Some(there) => keep(&shared, method, &differences(method, &there)),
            None => "the other end has another one".into(),
        },
    };
    let what = format!("`{}/{}`: {differences}", method.service, method.name);
    Reply::Failure(Failed::before(Kind::Contract(what.into())))
}

/// What was found out for an earlier call: neither contract changes while the session lives.
fn known(shared: &Shared, method: &'static MethodInfo) -> Option<Arc<str>> {
    let known = shared.differences.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(&(method.service, method.name)).cloned()
}

fn keep(shared: &Shared, method: &'static MethodInfo, found: &str) -> Arc<str> {
    let found: Arc<str> = found.into();
    let mut known = shared.differences.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert((method.service, method.name), Arc::clone(&found));
    found
}

fn differences(method: &'static MethodInfo, there: &[Contract]) -> String {
    let Some(there) = there.iter().find(|contract| contract.method() == method.name) else {
        return "the other end has no such method".to_owned();
    };
    let found = method.contract().differences(there);
    if found.is_empty() {
        return "the other end refused it".to_owned();
    }
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The contract of the other end, if it tells.
async fn theirs(shared: &Arc<Shared>, service: &'static ServiceInfo) -> Option<Vec<Contract>> {
    let mut encoder = Encoder::new(CONTRACT_BYTES_MAX);
    encoder.value(service.name).ok()?;
    let slot = shared.open(&CONTRACTS, "", None).ok()?;
    let outgoing = Outgoing {
        method: &GET,
        left: Left::of_new_pipeline(),
        deadline: None,
        metadata: Vec::new(),
        payload: encoder.finish(),
        upload: None,
    };
    let mut waiting = shared.call(slot, outgoing, None).ok()?;
    let Reply::Answer(payload, _) = poll_fn(|cx| waiting.poll(cx)).await else { return None };
    if payload.len() > CONTRACT_BYTES_MAX {
        return None;
    }
    let methods = reply::decoder(&payload).whole::<Result<Vec<MethodOnWire<'_>>, Error>>().ok()?.ok()?;
    let contract = |method: MethodOnWire<'_>| {
        Contract::of_parts(
            method.name.into_owned(),
            method.arguments.into_owned(),
            method.output.into_owned(),
        )
    };
    methods.into_iter().map(contract).collect()
}
