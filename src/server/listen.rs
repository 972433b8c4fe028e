//! Where servers listen, settled before any of them answers. Every address is shared (`SO_REUSEPORT`): where
//! a rolling update starts the new process before the old one ends, both have it for a moment.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Error;
use super::tls::Clients;

/// How many connections the kernel keeps for us before we take them; std's own number is 128, and a rolling
/// update has everybody connect anew at once.
const BACKLOG: u32 = 1024;

/// A port of ours that nobody answers on yet.
#[derive(Debug)]
pub struct Listener {
    flag: &'static str,
    address: SocketAddr,
    socket: Socket,
    opened: CancellationToken,
    tls: Option<Tls>,
}

/// How far a port is.
#[derive(Debug)]
enum Socket {
    /// The kernel takes connections.
    Listening(TcpListener),
    /// It is ours, and whoever connects is refused, until the token is cancelled.
    Reserved(TcpSocket, CancellationToken),
}

/// How TLS is spoken.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// Who may connect, where not everybody may.
    pub(super) clients: Option<Clients>,
}

impl Listener {
    /// Takes `address`, which `flag` names, and listens there; port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub fn bind(flag: &'static str, address: SocketAddr) -> Result<Self, Error> {
        let taken = take(address).and_then(|socket| {
            let address = socket.local_addr()?;
            Ok((address, Socket::Listening(socket.listen(BACKLOG)?)))
        });
        Self::of(flag, address, taken)
    }

    /// Takes `address`, which `flag` names, and has the server listen there only once `ready` is cancelled. Until
    /// then whoever connects is refused at once, or reaches another process that listens there.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub fn reserve(
        flag: &'static str,
        address: SocketAddr,
        ready: CancellationToken,
    ) -> Result<Self, Error> {
        let taken = take(address).and_then(|socket| {
            let address = socket.local_addr()?;
            Ok((address, Socket::Reserved(socket, ready)))
        });
        Self::of(flag, address, taken)
    }

    fn of(
        flag: &'static str,
        address: SocketAddr,
        taken: io::Result<(SocketAddr, Socket)>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Bind {
            flag,
            address,
            source,
        };
        let (address, socket) = taken.map_err(failed)?;
        Ok(Self {
            flag,
            address,
            socket,
            opened: CancellationToken::new(),
            tls: None,
        })
    }

    /// Has whoever connects shake hands first, as `config` says. Otherwise it is plain HTTP that is spoken.
    #[must_use]
    pub fn over_tls(self, config: Arc<ServerConfig>) -> Self {
        let tls = Tls {
            config,
            clients: None,
        };
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// The same, as `config` says for `clients`: when they are believed no longer, their connections end.
    #[must_use]
    pub fn over_mutual_tls(self, config: Arc<ServerConfig>, clients: Clients) -> Self {
        let tls = Tls {
            config,
            clients: Some(clients),
        };
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// The address that was taken, with its real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cancelled once the kernel takes connections.
    #[must_use]
    pub fn opened(&self) -> CancellationToken {
        self.opened.clone()
    }

    /// Listens, when it is time; nothing if `stop` comes before.
    ///
    /// # Errors
    ///
    /// Somebody who does not share the address began to listen there.
    pub(super) async fn open(
        self,
        stop: &CancellationToken,
    ) -> Result<Option<(TcpListener, Option<Tls>)>, Error> {
        let listening = match self.socket {
            Socket::Listening(socket) => Ok(socket),
            Socket::Reserved(socket, ready) => {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(None),
                    () = ready.cancelled() => socket.listen(BACKLOG),
                }
            }
        };
        let listening = listening.map_err(|source| Error::Bind {
            flag: self.flag,
            address: self.address,
            source,
        })?;
        info!(address = %self.address, flag = self.flag, "listening");
        self.opened.cancel();
        Ok(Some((listening, self.tls)))
    }
}

/// A socket with this address. Without `SO_REUSEADDR`, which would let somebody else take the address while
/// nobody listens; `SO_REUSEPORT` is for processes of the same user that all say so.
fn take(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Says that the extender may listen on `address` without TLS.
///
/// # Errors
///
/// Somebody outside this machine could reach it.
pub const fn loopback(address: SocketAddr) -> Result<SocketAddr, Error> {
    if address.ip().to_canonical().is_loopback() {
        Ok(address)
    } else {
        Err(Error::NotLoopback { address })
    }
}

#[cfg(test)]
mod tests;
