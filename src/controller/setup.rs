//! What is configured, as far as it can be used, and what is wrong with the rest. No I/O.

mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::DynamicObject;

use crate::api::{AttestationService, Invalid, Selector, TrustPool, decode};
use crate::clock::Clock;
use crate::domain::{Pool, PoolName, Service, ServiceName};
use crate::provider::Provider;

use super::objects::Objects;

pub use service::Inputs;

/// What is configured.
#[derive(Debug, Default)]
pub struct Setup {
    /// Whether every watch has listed: nothing may be concluded from an absence before.
    pub complete: bool,
    /// Pools that can be used, oldest first.
    pub pools: Vec<PoolSetup>,
    /// Services by name, whether they can be asked or not.
    pub services: BTreeMap<ServiceName, ServiceSetup>,
    /// Pools that exist and cannot be read, and never could be: who is in them is not known.
    pub unreadable: Vec<PoolName>,
    /// Every pool object, for its status.
    pub pool_states: BTreeMap<String, State<TrustPool>>,
    /// Every service object, for its status.
    pub service_states: BTreeMap<String, State<AttestationService>>,
}

/// A pool that can be used.
#[derive(Clone, Debug)]
pub struct PoolSetup {
    /// The pool.
    pub pool: Pool,
    /// Which nodes are in it.
    pub selector: Selector,
}

/// A service.
#[derive(Clone, Debug)]
pub struct ServiceSetup {
    /// What planning needs of it.
    pub service: Service,
    /// Whom to ask, or why nobody can be asked.
    pub provider: Result<Arc<dyn Provider>, Trouble>,
    /// What the provider was made from.
    pub inputs: Inputs,
}

/// Why an object cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// Becomes the reason of the condition `Ready`.
    pub reason: &'static str,
    /// Says what to do.
    pub message: String,
}

/// An object as its status needs it.
#[derive(Clone, Debug)]
pub struct State<K> {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The object, where it can be read.
    pub object: Option<K>,
    /// The object as it is: a status is written to what cannot be read, too.
    pub raw: DynamicObject,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
}

impl Setup {
    /// The pool called `name`.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&PoolSetup> {
        self.pools.iter().find(|setup| setup.pool.name == *name)
    }

    /// Why the service called `name` cannot be asked, as its pools say it.
    #[must_use]
    pub fn trouble_with(&self, name: &ServiceName) -> Option<Trouble> {
        let state = self.service_states.get(name.as_str())?;
        state.trouble.as_ref().map(|trouble| Trouble {
            reason: "ServiceNotReady",
            message: format!("AttestationService `{name}`: {}", trouble.message),
        })
    }
}

impl From<Invalid> for Trouble {
    fn from(invalid: Invalid) -> Self {
        Self {
            reason: "InvalidSpec",
            message: invalid.to_string(),
        }
    }
}

/// What `objects` mean. A pool or service that cannot be read keeps what it was in `previous`; a
/// provider whose inputs did not change is kept, with its connections.
#[must_use]
pub fn setup(objects: &Objects, previous: &Setup, clock: &Clock) -> Setup {
    let mut next = Setup {
        complete: objects.have_listed(),
        ..Setup::default()
    };
    for (name, raw) in objects.services.iter() {
        add_service(&mut next, objects, previous, clock, (name, raw));
    }
    for (name, raw) in objects.pools.iter() {
        add_pool(&mut next, previous, (name, raw));
    }
    next.pools
        .sort_by(|a, b| (a.pool.created, &a.pool.name).cmp(&(b.pool.created, &b.pool.name)));
    next
}

fn add_service(
    next: &mut Setup,
    objects: &Objects,
    previous: &Setup,
    clock: &Clock,
    (name, raw): (&str, &DynamicObject),
) {
    let object = decode::<AttestationService>(raw);
    let known = previous.services.get(&ServiceName::from(name));
    let built = object
        .as_ref()
        .map_err(|invalid| Trouble::from(invalid.clone()))
        .and_then(|object| service::build(object, objects, known, clock));
    let trouble = match &built {
        Ok(built) => built.provider.as_ref().err().cloned(),
        Err(trouble) => Some(trouble.clone()),
    };
    if let Some(usable) = built.ok().or_else(|| known.cloned()) {
        next.services.insert(ServiceName::from(name), usable);
    }
    next.service_states
        .insert(name.to_owned(), state(raw, object.ok(), trouble));
}

fn add_pool(next: &mut Setup, previous: &Setup, (name, raw): (&str, &DynamicObject)) {
    let object = decode::<TrustPool>(raw);
    let read = object.as_ref().map_err(Clone::clone).and_then(|object| {
        Ok(PoolSetup {
            pool: Pool::try_from(object)?,
            selector: Selector::try_from(object)?,
        })
    });
    let trouble = match &read {
        Ok(read) if !next.services.contains_key(&read.pool.service) => Some(Trouble {
            reason: "ServiceMissing",
            message: format!("create the AttestationService `{}`", read.pool.service),
        }),
        Ok(_) => None,
        Err(invalid) => Some(Trouble::from(invalid.clone())),
    };
    let name_of = PoolName::from(name);
    match read.ok().or_else(|| previous.pool(&name_of).cloned()) {
        Some(usable) => next.pools.push(usable),
        None => next.unreadable.push(name_of),
    }
    next.pool_states
        .insert(name.to_owned(), state(raw, object.ok(), trouble));
}

fn state<K>(raw: &DynamicObject, object: Option<K>, trouble: Option<Trouble>) -> State<K> {
    State {
        generation: raw.metadata.generation,
        object,
        raw: raw.clone(),
        trouble,
    }
}

#[cfg(test)]
mod tests;
