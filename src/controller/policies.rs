//! The task that looks whether the admission policies and the bind gate's webhooks are in force as this version
//! installs them, and says so where they are not: whoever may change them can disarm Trustpool without touching it.

mod version;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::call::call;
use crate::policies::Expected;
use crate::telemetry::Chain;

use super::events::{Events, Notice};
use super::metrics::{Metrics, OfPolicy};
use version::Version;

/// From one look at all of them to the next. They are read one by one, about 40 of them: RBAC can name each, 40
/// watches need not be kept open, and what is read is what is there, whatever was missed meanwhile.
const PACE: Duration = Duration::from_secs(30);

/// How it is with one policy, binding or webhook configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Another one than expected; this is the path of the first field that differs.
    Altered(String),
    /// It does what it should.
    InForce,
    /// There is none.
    Missing,
}

/// What metrics show of a policy that could not be read.
const UNKNOWN: &str = "unknown";

impl State {
    const WORDS: [&'static str; 4] = ["altered", "in_force", "missing", UNKNOWN];

    /// The word that metrics show.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Altered(_) => "altered",
            Self::InForce => "in_force",
            Self::Missing => "missing",
        }
    }
}

/// What was told at the last look.
#[derive(Debug, Default)]
struct Told {
    /// Whether something could not be read.
    failed: bool,
    /// Each object, by kind and name.
    found: BTreeMap<(String, String), Found>,
}

/// What one look at an object shows.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Found {
    state: State,
    /// Nothing if it is missing.
    version: Option<Version>,
}

impl Found {
    /// The version before and that of now, if it was in force at both looks and was not in between.
    fn restored(&self, before: &Self) -> Option<(Version, Version)> {
        let in_force = [before, self].map(|it| it.state == State::InForce);
        let versions = before.version.clone().zip(self.version.clone());
        versions.filter(|(old, new)| in_force == [true, true] && new.was_away_since(old))
    }
}

/// What the task is connected to.
pub struct Policies {
    /// Who reads.
    pub client: Client,
    /// What must be in force.
    pub expected: Arc<[Expected]>,
    /// What the `caBundle` of a webhook may be, where the certificates are Trustpool's own.
    pub bundles: watch::Receiver<Vec<String>>,
    /// Where Events go.
    pub events: Events,
    /// What is counted.
    pub metrics: Metrics,
}

impl Policies {
    /// Runs for ever.
    pub async fn run(self) {
        let mut told = Told::default();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            self.look(&mut told).await;
        }
    }

    /// Looks at all of them.
    async fn look(&self, told: &mut Told) {
        let mut failure = None;
        for expected in self.expected.iter() {
            match call(self.api(expected).get_opt(&expected.name)).await {
                Ok(live) => self.found(expected, self.judge(expected, live.as_ref()), told),
                // What was known of it is as good as it was.
                Err(error) => {
                    self.count(expected, UNKNOWN);
                    failure = Some(Chain(&error).to_string());
                }
            }
        }
        if let Some(error) = failure.as_ref().filter(|_| !told.failed) {
            warn!(
                error,
                "policies could not be read, so nobody knows whether they are in force"
            );
        }
        told.failed = failure.is_some();
    }

    fn judge(&self, expected: &Expected, live: Option<&DynamicObject>) -> Found {
        let Some(live) = live else {
            let (state, version) = (State::Missing, None);
            return Found { state, version };
        };
        let whole = serde_json::to_value(live).unwrap_or_default();
        let difference = expected.difference(&whole, &self.bundles.borrow());
        Found {
            state: difference.map_or(State::InForce, State::Altered),
            version: Some(Version::from(live)),
        }
    }

    fn found(&self, expected: &Expected, found: Found, told: &mut Told) {
        self.count(expected, found.state.as_str());
        let key = (expected.kind.clone(), expected.name.clone());
        let before = told.found.insert(key, found.clone());
        let restored = before.as_ref().and_then(|before| found.restored(before));
        // What is in force from the first look on is nothing to tell.
        if before.map_or(State::InForce, |it| it.state) != found.state {
            self.tell(expected, found.state);
        } else if let Some((old, new)) = restored {
            self.tell_restored(expected, &old, &new);
        }
    }

    fn api(&self, expected: &Expected) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource(expected))
    }

    /// Shows the one state that it is in.
    fn count(&self, expected: &Expected, state: &'static str) {
        for other in State::WORDS {
            let of = OfPolicy {
                kind: expected.kind.clone(),
                policy: expected.name.clone(),
                state: other,
            };
            if other == state {
                self.metrics.policies.get_or_create(&of).set(1);
            } else {
                self.metrics.policies.remove(&of);
            }
        }
    }

    fn tell(&self, expected: &Expected, state: State) {
        let Expected { kind, name, .. } = expected;
        match &state {
            State::InForce => info!(kind, name, "a policy is in force again"),
            State::Missing => warn!(kind, name, "a policy is missing"),
            State::Altered(path) => warn!(kind, name, path, "a policy was altered"),
        }
        let policy = reference(expected);
        self.events.send(Notice::Policy { policy, state });
    }

    fn tell_restored(&self, expected: &Expected, old: &Version, new: &Version) {
        let Expected { kind, name, .. } = expected;
        warn!(kind, name, %old, %new, "a policy was altered, or was not there, and is in force again");
        self.metrics.policies_restored.inc();
        let (policy, versions) = (reference(expected), format!("{old}, now {new}"));
        self.events.send(Notice::Restored { policy, versions });
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("expected", &self.expected.len())
            .finish_non_exhaustive()
    }
}

fn resource(expected: &Expected) -> ApiResource {
    let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", &expected.kind);
    ApiResource::from_gvk(&kind)
}

fn reference(expected: &Expected) -> Box<ObjectReference> {
    let resource = resource(expected);
    Box::new(ObjectReference {
        api_version: Some(resource.api_version),
        kind: Some(resource.kind),
        name: Some(expected.name.clone()),
        ..ObjectReference::default()
    })
}

#[cfg(test)]
mod tests;
