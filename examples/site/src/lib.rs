//! An axum application as a Worker.
//!
//! Look at [`application`] first: it is a `Router` like any other, and knows nothing of Workers. [`SiteWorker`] hands it
//! the requests of its bindings, with no socket in between: the feature `tower` of rpc-runtime makes of a `Router` what
//! answers them. Only the gateway is reachable from outside; it says in the header `x-user` who asks.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use rpc_runtime::{Entrypoint, Env, Error, Fetch, Request, Response, Tower, Worker};

/// What people have written, one line for each. All threads of the host share it.
#[derive(Debug, Default)]
pub struct Notes(Mutex<String>);

/// The application.
pub fn application(notes: Arc<Notes>) -> Router {
    Router::new().route("/site/notes", get(list).post(add)).with_state(notes)
}

async fn list(State(notes): State<Arc<Notes>>) -> String {
    notes.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn add(State(notes): State<Arc<Notes>>, headers: HeaderMap, note: String) -> StatusCode {
    let Some(Ok(user)) = headers.get("x-user").map(|user| user.to_str()) else {
        return StatusCode::FORBIDDEN;
    };
    let line = format!("{user}: {note}\n");
    notes.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line);
    StatusCode::CREATED
}

/// What the Worker is given: the value that `main` shares.
#[derive(Debug, Env)]
pub struct SiteEnv {
    notes: Arc<Notes>,
}

/// The Worker.
#[derive(Debug)]
pub struct SiteWorker {
    application: Tower<Router>,
}

impl Worker for SiteWorker {
    type Env = SiteEnv;

    async fn new(env: SiteEnv) -> Result<Self, Error> {
        Ok(Self { application: Tower::new(application(env.notes)) })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for SiteWorker {
    async fn fetch(&self, request: Request) -> Result<Response, Error> {
        self.application.fetch(request).await
    }
}
