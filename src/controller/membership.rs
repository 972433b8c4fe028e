//! Which pool a node is in, under which name its service knows it, and who it therefore is. Pure.

use std::collections::HashMap;

use crate::api::keys::HOST;
use crate::domain::{Incarnation, Node, Orders, Reason};

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

/// Claims that stand against each other.
#[derive(Debug, Default)]
pub struct Claims(HashMap<(String, String), Vec<Weight>>);

impl Claims {
    /// Adds a claim.
    pub fn add(&mut self, claim: &Claim) {
        self.0.entry(key(claim)).or_default().push(claim.weight);
    }

    /// Says whether `claim`, which was added, is the weightiest for its host, and the only such.
    #[must_use]
    pub fn holds(&self, claim: &Claim) -> bool {
        let weights = self
            .0
            .get(&key(claim))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let as_heavy = weights
            .iter()
            .filter(|weight| **weight >= claim.weight)
            .count();
        as_heavy <= 1
    }
}

/// Names that differ in case or in a trailing dot alone are one host.
fn key(claim: &Claim) -> (String, String) {
    (
        claim.url.clone(),
        claim.host.trim_end_matches('.').to_lowercase(),
    )
}

/// Who `node` is, or why nobody can tell.
///
/// # Errors
///
/// The reason why the node has no identity.
pub fn identity(
    node: &Node,
    claim: &Claim,
    claims: &Claims,
    service: Option<&ServiceSetup>,
) -> Result<Incarnation, Reason> {
    if node.boot_id.is_empty() {
        return Err(Reason::NoBootID);
    }
    if !claims.holds(claim) {
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
