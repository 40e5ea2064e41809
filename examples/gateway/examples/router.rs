//! An axum `Router` as the `fetch` of a Worker, and a client of it in the same process:
//!
//! ```text
//! cargo run -p gateway --example router
//! ```

use auth_contract::{Auth, AuthClient, AuthError, User};
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use rpc_runtime::{Body, Client as _, Fetcher, Result, Tower, http};

/// Stands in for the auth Worker: whatever implements the trait will do.
struct OneUser;

impl Auth for OneUser {
    async fn verify(&self, token: &str) -> std::result::Result<User, AuthError> {
        if token == "t0ken" { Ok(User { id: 7, name: "Ada".into() }) } else { Err(AuthError::Refused) }
    }
}

/// A route that calls a Worker as any handler of axum calls what its state holds.
async fn whoami(State(auth): State<AuthClient>, Path(token): Path<String>) -> String {
    match auth.verify(&token).await {
        Ok(user) => format!("you are {}", user.name),
        Err(error) => format!("I do not know you: {error}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let routes = Router::new().route("/whoami/{token}", get(whoami)).with_state(AuthClient::new(OneUser));
    // No socket is opened: the request is moved to the router, and no name is looked up.
    let site = Fetcher::new(Tower::new(routes));
    for path in ["/whoami/t0ken", "/whoami/other", "/nowhere"] {
        let request = http::Request::get(format!("http://site{path}")).body(Body::none())?;
        let response = site.fetch(request).await?;
        println!("{path}: {} {}", response.status(), response.into_body().text().await?);
    }
    Ok(())
}
