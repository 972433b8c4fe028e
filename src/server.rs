//! What listens: the scheduler extender, the bind gate, the admin port, and one for metrics. Binding and serving are two steps, so
//! that a process knows that it has all its ports before it answers on any.

pub mod access;
pub mod admin;
pub mod bind;
pub mod extender;
pub mod listen;
pub mod metrics;
pub mod readiness;
pub mod socket;
pub mod tls;

mod body;
mod connection;
mod generation;
mod peers;
mod sparing;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{info, warn};

use self::generation::{Generation, Terms};
use self::listen::{Listener, Tls};
use self::peers::Peers;
use self::sparing::Sparing;

/// How long to wait after a connection could not be taken, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// Why a server does not run.
#[derive(Debug, Error)]
pub enum Error {
    /// The address is taken, or not this machine's.
    #[error("failed to listen on `{address}` (flag `{flag}`)")]
    Bind {
        /// The flag that names the address.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A Unix socket cannot be had.
    #[error("failed to listen on `{}` (flag `--admin-socket`)", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Without TLS, whoever reaches the port may ask; so nobody but this machine may reach it.
    #[error(
        "flag `--extender-listen` is `{address}`, which is not a loopback address: without \
         `--extender-tls-cert`, `--extender-tls-key` and `--extender-client-ca` the extender speaks \
         plain HTTP, so it listens on loopback only, such as 127.0.0.1:9470"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// Answers on `listener` by `router` until told to `stop`, over TLS if the listener says so. Then it listens no
/// more, finishes the requests it has, tells every connection to go, and returns within `drain`.
///
/// When a CA of its clients is removed, the connections that were made before end likewise, while new ones are made.
/// A handler that panics is answered for with status 500, and the server goes on.
///
/// # Errors
///
/// Somebody else took the address meanwhile.
pub async fn serve(
    listener: Listener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> Result<(), Error> {
    let Some((socket, tls)) = listener.open(&stop).await? else {
        return Ok(());
    };
    let (acceptor, turnover) = tls.map(Tls::parts).unzip();
    let server = Server {
        terms: Terms::new(router.layer(CatchPanicLayer::new()), acceptor),
        peers: Peers::default(),
        refused: Sparing::default(),
    };
    server.run(socket, turnover.flatten(), &stop, drain).await;
    Ok(())
}

/// What serves on one port.
struct Server {
    terms: Terms,
    peers: Peers,
    refused: Sparing,
}

impl Server {
    async fn run(
        &self,
        socket: TcpListener,
        mut turnover: Option<watch::Receiver<u64>>,
        stop: &CancellationToken,
        drain: Duration,
    ) {
        let mut current = Generation::new(&self.terms);
        let mut former = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = turned(&mut turnover) => {
                    info!("a CA of clients is gone: connections from before end");
                    let next = Generation::new(&self.terms);
                    former.push(std::mem::replace(&mut current, next).retire(drain));
                }
                Some(()) = former.next() => {}
                () = current.ended() => {}
                (stream, peer) = accept(&socket) => self.take(&mut current, stream, peer),
            }
        }
        // Who connected before is not turned away; the kernel keeps no more than a backlog of them.
        while let Some(Ok((stream, peer))) = socket.accept().now_or_never() {
            self.take(&mut current, stream, peer);
        }
        drop(socket);
        former.push(current.retire(drain));
        while former.next().await.is_some() {}
    }

    fn take(&self, generation: &mut Generation, stream: TcpStream, peer: SocketAddr) {
        match self.peers.seat(peer.ip()) {
            Ok(seat) => generation.take(stream, peer, seat),
            Err(full) => {
                if let Some(others) = self.refused.may_speak() {
                    warn!(%peer, %full, others, "a connection was hung up on");
                }
            }
        }
    }
}

impl Tls {
    /// What shakes hands, and what tells that those who shook them before are to go.
    fn parts(self) -> (TlsAcceptor, Option<watch::Receiver<u64>>) {
        let turnover = self.clients.map(|clients| clients.turnover());
        (TlsAcceptor::from(self.config), turnover)
    }
}

async fn accept(socket: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Waits until a CA of the clients is removed.
async fn turned(turnover: &mut Option<watch::Receiver<u64>>) {
    if let Some(turnover) = turnover
        && turnover.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests;
