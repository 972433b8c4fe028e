//! Both ports as sockets: TLS, deadlines of HTTP, and the stop.

use std::future::{Ready, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::simulator::admin;
use crate::simulator::fault::Fault;
use crate::simulator::service;
use crate::simulator::simulation::Simulation;
use crate::simulator::tls::Identity;

/// How long requests may still take when the simulator stops; hanging ones would take for ever.
const GRACE: Duration = Duration::from_millis(500);

/// How long the head of a request may take, and how long a connection may idle: Tomcat's own 20 s.
const HEAD: Duration = Duration::from_secs(20);

/// Why a port is not served.
#[derive(Debug, Error)]
pub enum Error {
    /// The admin port.
    #[error("failed to serve the admin port")]
    Admin(#[source] io::Error),
    /// The service port.
    #[error("failed to serve the service port")]
    Service(#[source] io::Error),
}

/// Serves the service port until `stop`.
pub(super) async fn service(
    listener: TcpListener,
    identity: &Identity,
    simulation: Arc<Simulation>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let tls = RustlsConfig::from_config(identity.server());
    let door = Door(Arc::clone(&simulation));
    let server = bound(listener, "service").map_err(Error::Service)?;
    let server = server.acceptor(RustlsAcceptor::new(tls).acceptor(door));
    let handle = Handle::new();
    let server = patient(server).handle(handle.clone());
    until(stop, handle, server.serve(service::ports(simulation)))
        .await
        .map_err(Error::Service)
}

/// Serves the admin port until `stop`.
pub(super) async fn admin(
    listener: TcpListener,
    simulation: Arc<Simulation>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let server = bound(listener, "admin").map_err(Error::Admin)?;
    let handle = Handle::new();
    let server = patient(server.acceptor(NoDelayAcceptor::new())).handle(handle.clone());
    let routes = admin::router(simulation).into_make_service();
    until(stop, handle, server.serve(routes))
        .await
        .map_err(Error::Admin)
}

/// A server on a socket that listens already.
fn bound(listener: TcpListener, port: &str) -> io::Result<Server<SocketAddr>> {
    // tokio panics on a listener that blocks.
    listener.set_nonblocking(true)?;
    info!(port, address = %listener.local_addr()?, "listened");
    axum_server::from_tcp(listener)
}

/// HTTP/1.1 only, with a deadline for heads: by default a half one holds its connection for ever.
fn patient<A>(server: Server<SocketAddr, A>) -> Server<SocketAddr, A> {
    let mut server = server.http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    server
}

/// Serves until `stop`, and then until every request has ended or [`GRACE`] is over.
async fn until(
    stop: &CancellationToken,
    handle: Handle<SocketAddr>,
    serving: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let mut serving = pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        () = stop.cancelled() => {}
    }
    handle.graceful_shutdown(Some(GRACE));
    serving.await
}

/// Lets connections in, unless the service is down.
#[derive(Clone, Debug)]
struct Door(Arc<Simulation>);

impl<S> Accept<TcpStream, S> for Door {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        if self.0.fault() == Fault::Down {
            // A reset, as from a port that nobody listens on any more.
            let refused = stream.set_zero_linger();
            let reset = io::ErrorKind::ConnectionReset.into();
            return ready(refused.and(Err(reset)));
        }
        NoDelayAcceptor::new().accept(stream, service)
    }
}
