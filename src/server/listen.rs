//! Where servers listen, settled before any of them answers.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::Error;

/// A port of ours that nobody answers on yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Takes `address`, which `flag` names; port 0 takes any free one.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub async fn bind(flag: &'static str, address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Bind {
            flag,
            address,
            source,
        };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            address,
            tls: None,
        })
    }

    /// Has whoever connects shake hands first, as `tls` says. Otherwise it is plain HTTP that is spoken.
    #[must_use]
    pub fn over_tls(self, tls: Arc<ServerConfig>) -> Self {
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

    /// The socket, and how TLS is spoken on it.
    pub(super) fn into_parts(self) -> (TcpListener, Option<Arc<ServerConfig>>) {
        (self.socket, self.tls)
    }
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
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_ask_without_tls() {
        let table = [
            ("127.0.0.1:9470", true),
            ("127.8.9.10:1", true),
            ("[::1]:9470", true),
            ("[::ffff:127.0.0.1]:9470", true),
            ("0.0.0.0:9470", false),
            ("[::]:9470", false),
            ("10.0.0.1:9470", false),
            ("[::ffff:10.0.0.1]:9470", false),
        ];
        for (given, expected) in table {
            let address = given.parse().unwrap();

            assert_eq!(loopback(address).is_ok(), expected, "{given}");
        }
    }

    #[test]
    fn a_refused_address_is_named_with_its_flag() {
        let error = loopback("0.0.0.0:9470".parse().unwrap()).unwrap_err();

        assert_eq!(
            error.to_string(),
            "flag `--extender-listen` is `0.0.0.0:9470`, which is not a loopback address: the \
             extender speaks HTTP without TLS, so it listens on loopback only, such as 127.0.0.1:9470"
        );
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named_with_its_flag() {
        let any = "127.0.0.1:0".parse().unwrap();
        let first = Listener::bind("--admin-listen", any).await.unwrap();

        let error = Listener::bind("--admin-listen", first.address())
            .await
            .unwrap_err();

        assert_eq!(
            error.to_string(),
            format!(
                "failed to listen on `{}` (flag `--admin-listen`)",
                first.address()
            )
        );
    }
}
