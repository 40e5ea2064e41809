//! A chat over WebSockets, behind the gateway.
//!
//! Look at [`ChatWorker::fetch`](ChatWorker) first: it answers `101` with one end of a pair of streams, and lets a task
//! talk at the other end. The gateway has checked the token by then, says in the header `x-user` whose it is, and hands
//! the answer on as it is. What WebSocket is, tungstenite knows.
//!
//! Two people may be connected to two threads of the host, so the [`Rooms`] are shared between all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use auth::AuthWorker;
use futures_util::{SinkExt as _, StreamExt as _};
use gateway::Gateway;
use rpc_runtime::http::StatusCode;
use rpc_runtime::{Body, Ctx, Entrypoint, Env, Error, Fetch, Host, Request, Response, Upgraded, Worker};
use tokio::{
    io::DuplexStream,
    sync::broadcast::{self, error::RecvError},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::server::create_response,
        protocol::{Role, WebSocketConfig},
    },
};

/// The program: a gateway, and what is behind it.
#[must_use]
pub fn host() -> Host {
    Host::new()
        .worker::<Gateway>("gateway")
        .worker::<AuthWorker>("auth")
        .worker::<ChatWorker>("chat")
        .shared(Arc::new(Rooms::default()))
}

/// The rooms that somebody is in, by their names.
#[derive(Debug, Default)]
pub struct Rooms(Mutex<HashMap<String, broadcast::Sender<String>>>);

/// How many messages may wait for somebody who reads slowly, who then misses the oldest.
const WAITING_MAX: usize = 64;

/// Longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

impl Rooms {
    /// Where to speak in a room, and where to hear what is said from now on.
    fn enter(&self, room: &str) -> (broadcast::Sender<String>, broadcast::Receiver<String>) {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|_, room| room.receiver_count() > 0);
        let room = rooms.entry(room.to_owned()).or_insert_with(|| broadcast::channel(WAITING_MAX).0);
        (room.clone(), room.subscribe())
    }
}

/// What the Worker is given: the value that [`host`] shares.
#[derive(Debug, Env)]
pub struct ChatEnv {
    rooms: Arc<Rooms>,
}

/// The Worker.
#[derive(Debug)]
pub struct ChatWorker {
    env: ChatEnv,
}

impl Worker for ChatWorker {
    type Env = ChatEnv;

    async fn new(env: ChatEnv) -> Result<Self, Error> {
        Ok(Self { env })
    }

    fn entrypoint(entrypoint: Entrypoint<Self>) -> Entrypoint<Self> {
        entrypoint.fetch()
    }
}

impl Fetch for ChatWorker {
    async fn fetch(&self, request: Request) -> Result<Response, Error> {
        let request = request.map(drop);
        let Ok(head) = create_response(&request) else {
            let mut response = Response::new(Body::from("the rooms are open to WebSockets alone\n"));
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            return Ok(response);
        };
        let user = request.headers().get("x-user").and_then(|user| user.to_str().ok());
        let user = user.ok_or_else(|| Error::denied("nobody says who asks"))?.to_owned();
        let (speak, hear) = self.env.rooms.enter(request.uri().path());
        let (here, there) = tokio::io::duplex(MESSAGE_BYTES_MAX);
        Ctx::current().wait_until(talk(here, user, speak, hear))?;
        Ok(Upgraded::new(there).answer(head))
    }
}

/// Passes on what a user says to the room, and what the room says to the user, until one of the two ends it.
async fn talk(
    stream: DuplexStream,
    user: String,
    speak: broadcast::Sender<String>,
    mut hear: broadcast::Receiver<String>,
) {
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    // Nobody hears the last one who leaves.
    let say = |what: String| drop(speak.send(what));
    say(format!("{user} is here"));
    loop {
        let told = tokio::select! {
            said = socket.next() => match said {
                Some(Ok(Message::Text(text))) => {
                    say(format!("{user}: {text}"));
                    continue;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                // Pings, which the library answers.
                Some(Ok(_)) => continue,
            },
            heard = hear.recv() => match heard {
                Ok(text) => text,
                Err(RecvError::Lagged(missed)) => format!("({missed} messages were missed)"),
                Err(RecvError::Closed) => break,
            },
        };
        if socket.send(told.into()).await.is_err() {
            break;
        }
    }
    drop(hear);
    say(format!("{user} has left"));
    // Who has vanished reads no farewell.
    let _ = socket.close(None).await;
}
