//! Which pool a node is in, under which name its service knows it, and who it therefore is. Pure.

use std::collections::HashMap;

use crate::api::keys::HOST;
use crate::domain::{Incarnation, Node, NodeName, Orders, Reason};

use super::setup::{PoolSetup, ServiceSetup, Setup};

/// How much weight a claim to a host's name has; the greater wins.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Weight {
    /// The node is called so.
    Name,
    /// A protected label says so.
    Label,
    /// An administrator says so in `spec.host`.
    Order,
}

/// A claim of a node to a host's name at a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// Where the service is.
    pub url: String,
    /// The name, as it is sent.
    pub host: String,
    /// How much it weighs.
    pub weight: Weight,
}

/// The pool that keeps `node`, and the younger ones that select it too.
pub fn pools<'a>(
    setup: &'a Setup,
    node: &'a Node,
) -> (Option<&'a PoolSetup>, impl Iterator<Item = &'a PoolSetup>) {
    let mut selecting = setup
        .pools
        .iter()
        .filter(|pool| pool.selector.matches(&node.labels));
    (selecting.next(), selecting)
}

/// What `node` claims to be, at the service of `pool`. `known` is where the service was: a service
/// that is missing for a while makes nobody another host.
#[must_use]
pub fn claim(
    node: &Node,
    orders: &Orders,
    service: Option<&ServiceSetup>,
    known: Option<&Incarnation>,
) -> Claim {
    let url = service
        .map(|service| service.service.url.clone())
        .or_else(|| known.map(|incarnation| incarnation.url.clone()))
        .unwrap_or_default();
    let (host, weight) = match (&orders.host, node.labels.get(HOST)) {
        (Some(host), _) => (host.clone(), Weight::Order),
        (None, Some(host)) => (host.clone(), Weight::Label),
        (None, None) => (node.name.to_string(), Weight::Name),
    };
    Claim { url, host, weight }
}

/// What a claim is compared by: the same host of the same service has the same key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stake {
    key: Box<str>,
    weight: Weight,
}

impl From<&Claim> for Stake {
    /// Names that differ in case or in a trailing dot alone are one host.
    fn from(claim: &Claim) -> Self {
        let host = claim.host.trim_end_matches('.').to_lowercase();
        Self {
            key: format!("{} {host}", claim.url).into(),
            weight: claim.weight,
        }
    }
}

/// Who claims which host.
#[derive(Debug, Default)]
pub struct Claims(HashMap<Box<str>, Vec<(NodeName, Weight)>>);

impl Claims {
    /// Takes note of what `name` claims. Returns the others who claim the same.
    pub fn add(&mut self, name: &NodeName, stake: &Stake) -> Vec<NodeName> {
        let claimants = self.0.entry(stake.key.clone()).or_default();
        let others = claimants.iter().map(|(name, _)| name.clone()).collect();
        claimants.push((name.clone(), stake.weight));
        others
    }

    /// Forgets what `name` claimed. Returns the others who claim the same.
    pub fn remove(&mut self, name: &NodeName, stake: &Stake) -> Vec<NodeName> {
        let Some(claimants) = self.0.get_mut(&stake.key) else {
            return Vec::new();
        };
        claimants.retain(|(claimant, _)| claimant != name);
        if claimants.is_empty() {
            self.0.remove(&stake.key);
            return Vec::new();
        }
        claimants.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Says whether `stake`, which was added, is the weightiest for its host, and the only such.
    #[must_use]
    pub fn holds(&self, stake: &Stake) -> bool {
        let claimants = self.0.get(&stake.key).map(Vec::as_slice);
        let claimants = claimants.unwrap_or_default().iter();
        let as_heavy = claimants.filter(|(_, weight)| *weight >= stake.weight);
        as_heavy.count() <= 1
    }
}

/// Who `node` is by `claim`, which `holds` against others or not; or why nobody can tell.
///
/// # Errors
///
/// The reason why the node has no identity.
pub fn identity(
    node: &Node,
    claim: &Claim,
    holds: bool,
    service: Option<&ServiceSetup>,
) -> Result<Incarnation, Reason> {
    if node.boot_id.is_empty() {
        return Err(Reason::NoBootID);
    }
    if !holds {
        return Err(Reason::HostConflict);
    }
    let provider = service.and_then(|service| service.provider.as_ref().ok());
    if provider.is_some_and(|provider| provider.accepts(&claim.host).is_err()) {
        return Err(Reason::InvalidHost);
    }
    Ok(Incarnation {
        url: claim.url.clone(),
        host: claim.host.clone(),
        uid: node.uid.clone(),
        boot_id: node.boot_id.clone(),
        machine_id: node.machine_id.clone(),
        system_uuid: node.system_uuid.clone(),
    })
}

#[cfg(test)]
mod tests;
