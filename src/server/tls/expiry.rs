//! The metric that tells when certificates expire.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Which certificates.
type Label = [(&'static str, &'static str); 1];

/// When each certificate expires: seconds since 1970, and 0 while there is none.
#[derive(Clone, Debug, Default)]
pub struct Expiries(Family<Label, Gauge>);

impl Expiries {
    /// What the bind gate shows.
    pub const BIND: &'static str = "bind";
    /// What the extender shows.
    pub const EXTENDER: &'static str = "extender";
    /// The CA that expires first of those whose clients the extender answers.
    pub const EXTENDER_CLIENTS: &'static str = "extender-client-ca";
    /// What the port of metrics shows.
    pub const METRICS: &'static str = "metrics";

    /// Adds them to `registry`, which is to prefix every name with `trustpool`.
    pub fn register(registry: &mut Registry) -> Self {
        let expiries = Self::default();
        registry.register_with_unit(
            "certificate_expiry",
            "When the certificate expires, or the first of several, since 1970; 0 if there is none",
            Unit::Seconds,
            expiries.0.clone(),
        );
        expiries
    }

    /// The gauge of `certificate`.
    #[must_use]
    pub fn of(&self, certificate: &'static str) -> Gauge {
        self.0
            .get_or_create(&[("certificate", certificate)])
            .clone()
    }
}
