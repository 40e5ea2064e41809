//! A Worker that knows whom tokens belong to.
//!
//! Others reach it by the typed calls of its contract, and by `fetch`, which here answers with a page. It is not
//! reachable from outside: no socket leads to it, unless its configuration says where it listens.

use std::collections::HashMap;

use auth_contract::{Auth, AuthClient, AuthError, User};
use rpc_runtime::{Body, Entrypoint, Env, Error, Fetch, Json, Request, Response, Worker};

/// What the Worker is given: the table `vars.USERS` of its `worker.toml`.
#[derive(Debug, Env)]
pub struct AuthEnv {
    users: Json<HashMap<String, User>>,
}

/// The Worker.
#[derive(Debug)]
pub struct AuthWorker {
    env: AuthEnv,
}

impl Worker for AuthWorker {
    type Env = AuthEnv;

    async fn new(env: AuthEnv) -> Result<Self, Error> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.service::<AuthClient>().fetch()
    }
}

impl Auth for AuthWorker {
    async fn verify(&self, token: &str) -> Result<User, AuthError> {
        self.env.users.get(token).cloned().ok_or(AuthError::Refused)
    }
}

impl Fetch for AuthWorker {
    async fn fetch(&self, request: Request) -> Result<Response, Error> {
        let page = format!(
            "the auth Worker knows {} tokens; you asked for {}\n",
            self.env.users.len(),
            request.uri().path()
        );
        Ok(Response::new(Body::from(page)))
    }
}
