//! What Namespaces say about their pods.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::WatchParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};

use crate::api::keys;
use crate::clock::Clock;
use crate::domain::Now;
use crate::domain::requirement::Rule;
use crate::watch::{Event, Mirror, watch};

use super::health::{Beat, NotReady, Sign, Watched};

/// What the labels of one Namespace say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NamespaceRule {
    require: Option<String>,
    pool: Option<String>,
}

impl NamespaceRule {
    /// What `labels` say.
    pub(crate) fn from_labels(labels: &BTreeMap<String, String>) -> Self {
        Self {
            require: labels.get(keys::REQUIRE).cloned(),
            pool: labels.get(keys::REQUIRE_POOL).cloned(),
        }
    }

    /// The rule, as requirements are read by it.
    #[must_use]
    pub fn rule(&self) -> Rule<'_> {
        Rule {
            require: self.require.as_deref(),
            pool: self.pool.as_deref(),
        }
    }
}

type Map = RwLock<HashMap<String, Arc<NamespaceRule>>>;

/// Makes the two ends.
#[must_use]
pub fn rules() -> (RulesWriter, Rules) {
    let (map, beat) = (Arc::<Map>::default(), Arc::<Beat>::default());
    let rules = Rules {
        map: Arc::clone(&map),
        beat: Arc::clone(&beat),
    };
    (RulesWriter { map, beat }, rules)
}

/// The end that reads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    map: Arc<Map>,
    beat: Arc<Beat>,
}

impl Rules {
    /// The rule of `namespace`; one that says nothing, or is not known, has an empty one.
    ///
    /// # Errors
    ///
    /// The watch has not listed, or is stale.
    pub fn of(&self, namespace: &str, now: Now) -> Result<Arc<NamespaceRule>, NotReady> {
        self.ready(now)?;
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        Ok(map.get(namespace).cloned().unwrap_or_default())
    }

    /// Says whether the watch has listed and is alive.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn ready(&self, now: Now) -> Result<(), NotReady> {
        self.beat.ready(Watched::Namespaces, now)
    }
}

/// The end that writes.
#[derive(Debug)]
pub struct RulesWriter {
    map: Arc<Map>,
    beat: Arc<Beat>,
}

impl RulesWriter {
    /// Follows one event of the watch, seen at `now`.
    pub(crate) fn follow(
        &self,
        mirror: &mut Mirror<String, Arc<NamespaceRule>>,
        event: Event<(String, NamespaceRule)>,
        now: Now,
    ) {
        let sign = Sign::of(&event);
        let event = event.map(|(name, labels)| (name, Arc::new(labels)));
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for name in mirror.follow(event) {
            match mirror.get(&name) {
                Some(labels) if **labels != NamespaceRule::default() => {
                    map.insert(name, Arc::clone(labels));
                }
                _ => {
                    map.remove(&name);
                }
            }
        }
        drop(map);
        match sign {
            Sign::Listed => self.beat.list(now),
            Sign::Listing => self.beat.suspend(),
            Sign::Shown => self.beat.beat(now),
        }
    }
}

/// Watches Namespaces and writes down what they say, for ever.
pub async fn follow_rules(client: Client, writer: RulesWriter, clock: Clock) {
    let api = Api::<PartialObjectMeta<Namespace>>::all(client);
    let mut events = watch("Namespaces", api, WatchParams::default()).boxed();
    let mut mirror = Mirror::default();
    while let Some(event) = events.next().await {
        let event = event.map(|object| {
            (
                object.name_any(),
                NamespaceRule::from_labels(object.labels()),
            )
        });
        writer.follow(&mut mirror, event, clock.now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::SILENCE;

    fn says(require: Option<&str>) -> NamespaceRule {
        NamespaceRule {
            require: require.map(str::to_owned),
            pool: None,
        }
    }

    fn required(rules: &Rules, namespace: &str, now: Now) -> Result<Option<String>, NotReady> {
        let rule = rules.of(namespace, now)?;
        Ok(rule.require.clone())
    }

    #[tokio::test]
    async fn a_rule_is_known_from_the_first_list_on_until_the_watch_is_silent() {
        let now = Clock::system().now();
        let (writer, rules) = rules();
        let mut mirror = Mirror::default();
        let mut show = |event| writer.follow(&mut mirror, event, now);
        let not_listed = Err(NotReady::NotListed(Watched::Namespaces));

        show(Event::Started);
        show(Event::Applied(("a".to_owned(), says(Some("trusted")))));
        show(Event::Applied(("b".to_owned(), says(None))));
        assert_eq!(required(&rules, "a", now), not_listed);

        show(Event::Listed);
        assert_eq!(required(&rules, "a", now), Ok(Some("trusted".to_owned())));
        assert_eq!(required(&rules, "b", now), Ok(None));
        assert_eq!(required(&rules, "c", now), Ok(None));

        show(Event::Applied(("a".to_owned(), says(None))));
        assert_eq!(required(&rules, "a", now), Ok(None));
        let later = Now {
            uptime: now.uptime + SILENCE + Duration::from_secs(1),
            ..now
        };
        assert!(required(&rules, "a", later).is_err());
    }
}
