//! A way to a server that can be frozen: nothing is lost, nothing is closed, and nothing comes through.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::free_port;

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;

/// Passes on what comes in, byte by byte, so TLS goes through it. Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Connections before this number stand still.
    frozen: watch::Sender<u64>,
    /// How many connections there were.
    connections: watch::Sender<u64>,
    _stop: DropGuard,
}

/// One direction of one connection.
struct Way {
    number: u64,
    frozen: watch::Receiver<u64>,
}

impl Proxy {
    /// Starts one on a free port of 127.0.0.1, with `server` behind it.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()?)).await?;
        let (frozen, connections) = (watch::Sender::new(0), watch::Sender::new(0));
        let stop = CancellationToken::new();
        let proxy = Self {
            address: listener.local_addr()?,
            frozen: frozen.clone(),
            connections: connections.clone(),
            _stop: stop.clone().drop_guard(),
        };
        let accepting = accept(listener, server, frozen, connections);
        #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
        tokio::task::spawn(stop.run_until_cancelled_owned(accepting));
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the connections that are open stand still. New ones do not: who gives up on a request
    /// gets the next one through, while a watch that is open shows nothing.
    pub fn freeze(&self) {
        self.frozen.send_replace(*self.connections.borrow());
    }

    /// Everything goes on where it stood.
    pub fn thaw(&self) {
        self.frozen.send_replace(0);
    }
}

/// Takes connections until it is dropped.
async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    frozen: watch::Sender<u64>,
    connections: watch::Sender<u64>,
) {
    let mut open = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        let number = *connections.borrow();
        connections.send_replace(number + 1);
        let frozen = frozen.subscribe();
        open.spawn(async move { connect(client, server, number, frozen).await });
        while open.try_join_next().is_some() {}
    }
}

/// Passes on one connection until one side ends it.
async fn connect(
    client: TcpStream,
    server: SocketAddr,
    number: u64,
    frozen: watch::Receiver<u64>,
) -> anyhow::Result<()> {
    let server = TcpStream::connect(server)
        .await
        .context("nobody is behind the proxy")?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let way = || Way {
        number,
        frozen: frozen.clone(),
    };
    tokio::select! {
        ended = way().pass(from_client, to_server) => ended,
        ended = way().pass(from_server, to_client) => ended,
    }
}

impl Way {
    async fn pass(
        mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> anyhow::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = from.read(&mut chunk).await?;
            let number = self.number;
            self.frozen.wait_for(|frozen| number >= *frozen).await?;
            match chunk.get(..count) {
                None | Some([]) => return Ok(to.shutdown().await?),
                Some(read) => to.write_all(read).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(10);

    /// A server that says what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
        tokio::task::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                open.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        address
    }

    async fn says(stream: &mut TcpStream, word: u8) -> Option<u8> {
        stream.write_u8(word).await.unwrap();
        hears(stream, MOMENT).await
    }

    async fn hears(stream: &mut TcpStream, within: Duration) -> Option<u8> {
        timeout(within, stream.read_u8()).await.ok()?.ok()
    }

    #[tokio::test]
    async fn what_is_open_stands_still_until_it_thaws_and_loses_nothing() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let connect = || TcpStream::connect(proxy.address());
        let mut old = connect().await.unwrap();
        assert_eq!(says(&mut old, 1).await, Some(1));

        proxy.freeze();
        assert_eq!(says(&mut old, 2).await, None);
        let mut new = connect().await.unwrap();
        assert_eq!(says(&mut new, 3).await, Some(3));

        proxy.thaw();
        assert_eq!(hears(&mut old, LONG).await, Some(2));
    }
}
