//! A chat in a terminal: prints what is said in a room, and says what it is told line by line.
//!
//! ```text
//! cargo run -p chat --bin chat-client -- ws://localhost:8787/chat/lobby t0ken
//! ```

use std::error::Error;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    net::TcpStream,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{ClientRequestBuilder, Message, http::Uri},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (Some(room), Some(token)) = (std::env::args().nth(1), std::env::args().nth(2)) else {
        return Err("expected the URL of a room, and a token".into());
    };
    let room: Uri = room.parse()?;
    let host = room.host().ok_or("the URL names no host")?;
    let stream = TcpStream::connect((host, room.port_u16().unwrap_or(80))).await?;
    let request = ClientRequestBuilder::new(room).with_header("Authorization", format!("Bearer {token}"));
    let (mut socket, _) = client_async(request, stream).await?;
    let mut lines = BufReader::new(stdin()).lines();
    let mut is_over = false;
    loop {
        tokio::select! {
            line = lines.next_line(), if !is_over => match line? {
                Some(line) => socket.send(line.into()).await?,
                None => {
                    is_over = true;
                    socket.close(None).await?;
                }
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => println!("{text}"),
                Some(Ok(_)) => {}
                Some(Err(error)) if !is_over => return Err(error.into()),
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}
