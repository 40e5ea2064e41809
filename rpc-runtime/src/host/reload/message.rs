//! What the watching process and the one that serves say to each other.
//!
//! They speak over a pair of connected Unix sockets, of which the serving one gets its end as standard input. Each says
//! one thing: the watching one which sockets there are already, and whether another process serves until then; the
//! serving one that it serves, and at which. Later the watching one says which of them the next process has. The end of
//! the connection is the end of the other side.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// `length u32, big-endian | JSON`, with the sockets beside the first byte.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Each with what it is for.
    pub(super) sockets: Vec<(String, OwnedFd)>,
    /// What the serving process says of itself to people. From the watching one [`TAKES_OVER`] or nothing, and later the
    /// names of sockets.
    pub(super) said: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    /// What each of the sockets is for.
    sockets: Vec<String>,
    said: String,
}

/// Another process serves until this one does.
pub(super) const TAKES_OVER: &str = "another one serves";

impl Message {
    pub(super) fn send(&self, mut to: &UnixStream) -> io::Result<()> {
        let (names, sockets): (Vec<_>, Vec<BorrowedFd<'_>>) =
            self.sockets.iter().map(|(name, socket)| (name.clone(), socket.as_fd())).unzip();
        if sockets.len() > SOCKETS_MAX {
            let why =
                format!("{} listening sockets, and at most {SOCKETS_MAX} can be handed over", sockets.len());
            return Err(io::Error::other(why));
        }
        let head = serde_json::to_vec(&Head { version: VERSION, sockets: names, said: self.said.clone() })?;
        let length = u32::try_from(head.len()).map_err(io::Error::other)?;
        let bytes = [&length.to_be_bytes()[..], &head].concat();
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            beside.push(SendAncillaryMessage::ScmRights(&sockets));
        }
        let sent = sendmsg(to, &[IoSlice::new(&bytes)], &mut beside, SendFlags::NOSIGNAL)?;
        to.write_all(&bytes[sent..])
    }

    /// The next one; `None` when the other side has ended.
    pub(super) fn receive(from: &UnixStream) -> io::Result<Option<Self>> {
        let mut sockets = Vec::new();
        let mut length = [0; 4];
        let mut read = 0;
        while read < length.len() {
            let mut space = [MaybeUninit::uninit(); SPACE];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let into = &mut [IoSliceMut::new(&mut length[read..])];
            let received = recvmsg(from, into, &mut beside, RecvFlags::CMSG_CLOEXEC)?.bytes;
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    sockets.extend(received);
                }
            }
            match received {
                0 if read == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                received => read += received,
            }
        }
        let length = u32::from_be_bytes(length);
        if length > BYTES_MAX {
            return Err(io::Error::other(format!("a message of {length} bytes")));
        }
        let mut head = Vec::new();
        from.take(length.into()).read_to_end(&mut head)?;
        let head: Head = serde_json::from_slice(&head)?;
        if head.version != VERSION || head.sockets.len() != sockets.len() {
            return Err(io::Error::other(
                "it is built with another version of rpc-runtime: start `dev --watch` again",
            ));
        }
        Ok(Some(Self { sockets: head.sockets.into_iter().zip(sockets).collect(), said: head.said }))
    }
}

const VERSION: u32 = 1;

/// Most descriptors that the kernel takes at once (`SCM_MAX_FD`, unix(7)).
const SOCKETS_MAX: usize = 253;

const SPACE: usize = rustix::cmsg_space!(ScmRights(253));

/// Longest message, in bytes. The table of bindings of 1,000 Workers has 100 KiB.
const BYTES_MAX: u32 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sockets_arrive_with_their_names_and_still_listen() {
        let (here, there) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Longer than what the kernel takes at once.
        let said = "x".repeat(1 << 20);
        let sending = std::thread::spawn(move || {
            let message = Message { sockets: vec![("http".to_owned(), listener.into())], said };
            message.send(&here).unwrap();
            Message::default().send(&here).unwrap();
        });
        let Message { mut sockets, said } = Message::receive(&there).unwrap().unwrap();
        assert_eq!(said.len(), 1 << 20);
        let (name, socket) = sockets.remove(0);
        assert_eq!((&*name, sockets.len()), ("http", 0));
        assert_eq!(TcpListener::from(socket).local_addr().unwrap(), address);
        assert!(Message::receive(&there).unwrap().unwrap().sockets.is_empty());
        sending.join().unwrap();
        assert!(Message::receive(&there).unwrap().is_none(), "the other side has ended");
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for bytes in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{}", b"\0\0\0\x09{}", b"\0\0"] {
            let (mut here, there) = UnixStream::pair().unwrap();
            here.write_all(bytes).unwrap();
            drop(here);
            assert!(Message::receive(&there).is_err(), "{bytes:?}");
        }
        let (here, there) = UnixStream::pair().unwrap();
        let head = Head { version: VERSION + 1, sockets: Vec::new(), said: String::new() };
        let head = serde_json::to_vec(&head).unwrap();
        let length = u32::try_from(head.len()).unwrap().to_be_bytes();
        (&here).write_all(&[&length[..], &head].concat()).unwrap();
        assert!(Message::receive(&there).unwrap_err().to_string().contains("another version"));
    }
}
