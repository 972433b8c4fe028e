//! What others could not ask Trustpool.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams};
use trustpool_harness::AuditEvent;

/// What the API server says when a webhook could not be asked.
const NOT_ASKED: &str = "failed calling webhook";

/// What they say where nobody answered in time.
const LATE: [&str; 4] = [
    "Client.Timeout",
    "deadline exceeded",
    "handshake timeout",
    "i/o timeout",
];

/// What others could not ask Trustpool, in their own words.
pub struct Failures {
    /// kube-scheduler the extender.
    pub filter: Vec<String>,
    /// The API server the bind gate.
    pub bind: Vec<String>,
}

impl Failures {
    /// All so far. `extender` is what its URL holds, and nothing else's.
    pub async fn read(
        client: &Client,
        events: &[AuditEvent],
        extender: &str,
    ) -> anyhow::Result<Self> {
        let told: Api<Event> = Api::all(client.clone());
        let told = told.list(&ListParams::default()).await?;
        let messages = told.items.into_iter().filter_map(|event| event.message);
        let refused = events
            .iter()
            .filter(|event| event.is_for("pods", "binding"));
        let refused = refused.map(|event| event.response_status.message.clone());
        Ok(Self {
            filter: messages.filter(|it| it.contains(extender)).collect(),
            bind: refused.filter(|it| it.contains(NOT_ASKED)).collect(),
        })
    }
}

impl Failures {
    /// Those that no machine is too slow for: nobody answered, or only half.
    pub fn outright(&self) -> BTreeSet<&String> {
        let is_late = |why: &&String| LATE.iter().any(|late| why.contains(late));
        let all = self.filter.iter().chain(&self.bind);
        all.filter(|why| !is_late(why)).collect()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.filter.len() + self.bind.len()
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (filter, bind) = (self.filter.len(), self.bind.len());
        write!(
            f,
            "{filter} requests of kube-scheduler failed, and {bind} of the API server"
        )?;
        let mut counts = BTreeMap::<&str, usize>::new();
        for why in self.filter.iter().chain(&self.bind) {
            *counts.entry(why).or_default() += 1;
        }
        counts
            .iter()
            .try_for_each(|(why, count)| write!(f, "\n{count} times: {why}"))
    }
}
