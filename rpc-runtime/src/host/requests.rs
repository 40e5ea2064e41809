//! Where requests are served over HTTP, and who wants that.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use super::sockets::Sockets;
use crate::config::{Fault, Place};

/// Where requests are to be served.
pub(super) struct Requests {
    pub(super) address: SocketAddr,
    /// Whether another port does as well, because nobody asked for this one.
    pub(super) any_port: bool,
    pub(super) need: Need,
    /// Where the port and the address were said, and by what else they can be; `None` if the program says them.
    pub(super) said: Option<Said>,
}

/// What if the first Worker answers no requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Then it is there for other processes.
    IfAnswered,
    /// A fault, unless it is there for other processes by its `listen`.
    UnlessListening,
    /// A fault: somebody has asked for a port.
    Asked,
}

/// Where a command takes port and address from.
pub(super) struct Said {
    pub(super) port: Place,
    pub(super) ip: Place,
}

impl Requests {
    /// Those of a program that says the address itself.
    pub(super) const fn of_program(address: SocketAddr) -> Self {
        Self { address, any_port: false, need: Need::UnlessListening, said: None }
    }

    /// Binds the address, if no process before has left its socket.
    pub(super) fn listen(&self, sockets: &Sockets) -> Result<TcpListener, Fault> {
        self.bind_or_inherit(sockets).map_err(|error| self.not_bound(&error))
    }

    fn bind_or_inherit(&self, sockets: &Sockets) -> io::Result<TcpListener> {
        let address = self.address;
        let name = format!("http {address}");
        let listener = match sockets.inherit(&name) {
            Some(socket) => socket.into(),
            None => match TcpListener::bind(address) {
                Err(error) if self.any_port && error.kind() == io::ErrorKind::AddrInUse => {
                    TcpListener::bind(SocketAddr::new(address.ip(), 0))?
                }
                bound => bound?,
            },
        };
        listener.set_nonblocking(true)?;
        sockets.keep(&name, &listener, false)?;
        Ok(listener)
    }

    fn not_bound(&self, error: &io::Error) -> Fault {
        let (is_of_ip, help) = match error.kind() {
            io::ErrorKind::AddrInUse => {
                (false, "another program has it: stop that one, or choose another port".to_owned())
            }
            io::ErrorKind::PermissionDenied => {
                (false, "this user may not have it: choose another port, such as one from 1024 on".to_owned())
            }
            _ => (true, "choose an address of this machine, such as 127.0.0.1".to_owned()),
        };
        let (place, help) = match &self.said {
            Some(said) if is_of_ip => (said.ip.clone(), format!("{help}, with `--address`")),
            Some(said) => (said.port.clone(), format!("{help}, with `--port`")),
            None => (Place::nowhere("the program"), help),
        };
        (place.fault("the address to serve on cannot be had"))
            .with_received(format_args!("{}: {error}", self.address))
            .with_help(help)
    }
}
