//! What a gate is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::app::{BindConfig, ExtenderConfig, ExtenderTls, GateConfig};
use crate::server::tls::files::{ClientFile, Files};

use super::duration;

/// What a gate is told.
#[derive(Args, Debug)]
pub(in crate::cli) struct GateArgs {
    /// Where kube-scheduler asks. A loopback address, unless there is TLS.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9470",
        env = "TRUSTPOOL_EXTENDER_LISTEN"
    )]
    extender_listen: SocketAddr,
    /// The certificate to show there (PEM), so that TLS is spoken: with clients that show one of their own. All
    /// three files are read again when they change; `trustpool pki` makes them.
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["extender_tls_key", "extender_client_ca"],
        env = "TRUSTPOOL_EXTENDER_TLS_CERT"
    )]
    extender_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["extender_tls_cert", "extender_client_ca"],
        env = "TRUSTPOOL_EXTENDER_TLS_KEY"
    )]
    extender_tls_key: Option<PathBuf>,
    /// The CAs of those who may ask there (PEM, one after another).
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["extender_tls_cert", "extender_tls_key"],
        env = "TRUSTPOOL_EXTENDER_CLIENT_CA"
    )]
    extender_client_ca: Option<PathBuf>,
    /// The name that the certificate of whoever asks there must say: its common name, or one of its DNS names or
    /// URIs. Nobody else is answered.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "system:kube-scheduler",
        env = "TRUSTPOOL_EXTENDER_CLIENT_NAME"
    )]
    extender_client_name: String,
    /// Where the API server asks about Bindings, by TLS.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9471",
        env = "TRUSTPOOL_BIND_LISTEN"
    )]
    bind_listen: SocketAddr,
    /// The certificate to show there, and those that lead to its CA (PEM) [default: what `trustpool
    /// controller` keeps in Secret trustpool-gate-tls].
    #[arg(
        long,
        value_name = "FILE",
        requires = "bind_tls_key",
        env = "TRUSTPOOL_BIND_TLS_CERT"
    )]
    bind_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        value_name = "FILE",
        requires = "bind_tls_cert",
        env = "TRUSTPOOL_BIND_TLS_KEY"
    )]
    bind_tls_key: Option<PathBuf>,
    /// How long everything goes on after SIGTERM before --drain begins, while /readyz says no already: for a gate
    /// behind a Service, which sends requests for a moment longer.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "0s",
        value_parser = duration,
        allow_hyphen_values = true,
        env = "TRUSTPOOL_SHUTDOWN_DELAY"
    )]
    shutdown_delay: Duration,
}

/// The port that a gate serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(in crate::cli) enum Only {
    /// Where the API server asks about Bindings.
    Bind,
    /// Where kube-scheduler asks.
    Extender,
}

impl GateArgs {
    pub(in crate::cli) fn config(self) -> GateConfig {
        let files = self.bind_tls_cert.zip(self.bind_tls_key);
        let extender = self.extender_tls_cert.zip(self.extender_tls_key);
        let extender = extender.zip(self.extender_client_ca);
        let name = self.extender_client_name;
        let extender = ExtenderConfig {
            listen: self.extender_listen,
            tls: extender.map(|((certificate, key), clients)| ExtenderTls {
                files: Files { certificate, key },
                clients: ClientFile(clients),
                name,
            }),
        };
        let bind = BindConfig {
            listen: self.bind_listen,
            certificate: files.map(|(certificate, key)| Files { certificate, key }),
        };
        GateConfig {
            extender: Some(extender),
            bind: Some(bind),
            shutdown_delay: self.shutdown_delay,
        }
    }
}
