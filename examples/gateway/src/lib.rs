//! A Worker in front of others: the only one of this example that is reachable from outside.
//!
//! It checks the token of each request by a typed call to the auth Worker, answers `/` itself, and forwards
//! what is not its own with `fetch`: `/auth/..` to the auth Worker, and `/site/..` and `/chat/..` to Workers that
//! other examples bind it to.

use auth_contract::{Auth as _, AuthClient, AuthError, User};
use rpc_runtime::http::{self, HeaderValue, StatusCode, header};
use rpc_runtime::{Body, Client as _, Entrypoint, Env, Error, Fetch, Fetcher, Request, Response, Worker};

/// What the Worker may reach: the bindings and the variable of its `worker.toml`, and nothing else.
#[derive(Debug, Env)]
pub struct GatewayEnv {
    auth: AuthClient,
    site: Option<Fetcher>,
    chat: Option<Fetcher>,
    greeting: String,
}

/// The Worker.
#[derive(Debug)]
pub struct Gateway {
    env: GatewayEnv,
}

impl Worker for Gateway {
    type Env = GatewayEnv;

    async fn new(env: GatewayEnv) -> Result<Self, Error> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Gateway {
    async fn fetch(&self, mut request: Request) -> Result<Response, Error> {
        let user = match self.user(&request).await {
            Ok(user) => user,
            Err(AuthError::Refused) => {
                return respond(StatusCode::UNAUTHORIZED, "show a token that is yours\n");
            }
            Err(AuthError::Rpc(error)) => return Err(error),
        };
        // Whatever the client says of itself is replaced.
        request
            .headers_mut()
            .insert("x-user", HeaderValue::from_str(&user.name).map_err(Error::application)?);
        let place = request.uri().path().split('/').nth(1);
        match (place, &self.env) {
            (Some("auth"), env) => env.auth.fetch(request).await,
            (Some("site"), GatewayEnv { site: Some(site), .. }) => site.fetch(request).await,
            (Some("chat"), GatewayEnv { chat: Some(chat), .. }) => chat.fetch(request).await,
            _ => respond(StatusCode::OK, format!("{}, {}\n", self.env.greeting, user.name)),
        }
    }
}

impl Gateway {
    /// Who asks, by the token in `Authorization: Bearer ..`.
    async fn user(&self, request: &Request) -> Result<User, AuthError> {
        let header = request.headers().get(header::AUTHORIZATION);
        let token = header.and_then(|header| {
            let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("Bearer").then_some(token)
        });
        self.env.auth.verify(token.ok_or(AuthError::Refused)?).await
    }
}

fn respond(status: StatusCode, text: impl Into<Body>) -> Result<Response, Error> {
    Ok(http::Response::builder().status(status).body(text.into())?)
}
