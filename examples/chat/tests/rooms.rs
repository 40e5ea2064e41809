//! Two people in a room see what the other one says, and nobody else does.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use rpc_runtime::{Running, config::Config};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{ClientRequestBuilder, Error, Message},
};

fn start() -> Running {
    let files = ["gateway.toml", "worker.toml", "../auth/worker.toml"];
    let configs = files.map(|file| Config::load(file).expect("the file is right"));
    chat::host().start(configs.into(), ([127, 0, 0, 1], 0).into()).expect("nothing is in the way")
}

type Socket = WebSocketStream<TcpStream>;

async fn enter(host: &Running, room: &str, token: &str) -> Result<Socket, Error> {
    let address: SocketAddr = host.address().expect("it is served over HTTP");
    let uri = format!("ws://{address}/chat/{room}").parse().expect("it is a URL");
    let request = ClientRequestBuilder::new(uri).with_header("Authorization", format!("Bearer {token}"));
    let stream = TcpStream::connect(address).await.expect("it listens");
    Ok(client_async(request, stream).await?.0)
}

async fn hears(socket: &mut Socket, what: &str) {
    let heard = timeout(Duration::from_secs(10), socket.next()).await.expect("something is said");
    assert_eq!(heard.expect("the room is open").expect("the connection stands"), Message::text(what));
}

async fn says(socket: &mut Socket, what: &str) {
    socket.send(what.into()).await.expect("the connection stands");
}

#[tokio::test]
async fn two_people_in_a_room_see_what_the_other_one_says() {
    let host = start();
    let mut ada = enter(&host, "lobby", "t0ken").await.expect("her token is right");
    hears(&mut ada, "Ada is here").await;
    let mut grace = enter(&host, "lobby", "an-other").await.expect("her token is right");
    hears(&mut ada, "Grace is here").await;
    hears(&mut grace, "Grace is here").await;

    says(&mut grace, "hello").await;
    says(&mut ada, "hello yourself").await;
    for socket in [&mut ada, &mut grace] {
        hears_both(socket).await;
    }

    drop(grace);
    hears(&mut ada, "Grace has left").await;
}

async fn hears_both(socket: &mut Socket) {
    // Who is first depends on the two connections.
    let mut heard = Vec::new();
    for _ in 0..2 {
        let next = timeout(Duration::from_secs(10), socket.next()).await.expect("something is said");
        heard.push(next.expect("the room is open").expect("the connection stands").to_string());
    }
    heard.sort();
    assert_eq!(heard, ["Ada: hello yourself", "Grace: hello"]);
}

#[tokio::test]
async fn what_is_said_stays_in_its_room() {
    let host = start();
    let mut lobby = enter(&host, "lobby", "t0ken").await.expect("her token is right");
    hears(&mut lobby, "Ada is here").await;
    let mut attic = enter(&host, "attic", "an-other").await.expect("her token is right");
    says(&mut attic, "nobody hears me").await;
    hears(&mut attic, "Grace is here").await;
    hears(&mut attic, "Grace: nobody hears me").await;
    says(&mut lobby, "hello?").await;
    hears(&mut lobby, "Ada: hello?").await;
}

#[tokio::test]
async fn nobody_enters_without_a_token_or_by_another_name() {
    let host = start();
    let Err(Error::Http(answer)) = enter(&host, "lobby", "nobody").await else { panic!("she has no token") };
    assert_eq!(answer.status(), 401);
    let address = host.address().expect("it is served over HTTP");
    let uri = format!("ws://{address}/chat/lobby").parse().expect("it is a URL");
    let forged = ClientRequestBuilder::new(uri)
        .with_header("Authorization", "Bearer an-other")
        .with_header("X-User", "Ada");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut grace, _) = client_async(forged, stream).await.expect("her token is right");
    hears(&mut grace, "Grace is here").await;
}
