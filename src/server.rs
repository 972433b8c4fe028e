//! What listens: the scheduler extender, the bind gate and the admin port. Binding and serving are two steps, so
//! that a process knows that it has all its ports before it answers on any.

pub mod admin;
pub mod bind;
pub mod extender;
pub mod listen;
pub mod metrics;
pub mod tls;

mod body;
mod connection;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use self::connection::{Acceptor, IDLE};
use self::listen::Listener;

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
    /// Without TLS, whoever reaches the port may ask; so nobody but this machine may reach it.
    #[error(
        "flag `--extender-listen` is `{address}`, which is not a loopback address: the extender \
         speaks HTTP without TLS, so it listens on loopback only, such as 127.0.0.1:9470"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The server ended.
    #[error("failed to serve on `{address}`")]
    Serve {
        /// Where it listened.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Answers on `listener` by `router` until told to `stop`, over TLS if the listener says so. Then takes no more connections, closes
/// the idle ones, finishes the requests it has, and returns within `drain`.
///
/// A handler that panics is answered for with status 500, and the server goes on.
///
/// # Errors
///
/// The server could not go on.
pub async fn serve(
    listener: Listener,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> Result<(), Error> {
    let address = listener.address();
    let handle = Handle::new();
    let (socket, tls) = listener.into_parts();
    let mut server = Server::from_listener(socket)
        .acceptor(Acceptor::new(handle.clone(), tls))
        .handle(handle.clone());
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    let router = router.layer(CatchPanicLayer::new());
    let serving = server.serve(router.into_make_service());
    let stopping = async {
        stop.cancelled().await;
        handle.graceful_shutdown(Some(drain));
        std::future::pending().await
    };
    tokio::select! {
        ended = serving => ended.map_err(|source| Error::Serve { address, source }),
        never = stopping => never,
    }
}
