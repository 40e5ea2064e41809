//! A Worker that takes its time to be made.

use std::{path::Path, time::Duration};

use rpc_runtime::{Entrypoint, Env, Fetch, Request, Response, Result, Worker};

use crate::{Greeter as _, GreeterClient};

pub(crate) struct Made {
    text: String,
}

#[derive(Env)]
pub(crate) struct MadeEnv {
    /// Called while it is made.
    greeter: Option<GreeterClient>,
    /// A file that must be there first.
    waits_for: Option<String>,
}

impl Worker for Made {
    type Env = MadeEnv;

    async fn new(env: MadeEnv) -> Result<Self> {
        if let Some(file) = env.waits_for {
            while !Path::new(&file).exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        let text = match env.greeter {
            Some(greeter) => greeter.greet("made").await?,
            None => "made".to_owned(),
        };
        Ok(Self { text })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for Made {
    async fn fetch(&self, _: Request) -> Result<Response> {
        Ok(Response::new(format!("{} in process {}", self.text, std::process::id()).into()))
    }
}
