//! One step after another, and why.

mod rules;
mod simulation;

use super::*;
use crate::certificates::{Contents, Memory, Pem, Stored};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What a Secret holds, as it is written.
#[derive(Clone, Debug, PartialEq)]
struct Secret {
    pem: Pem,
    authorities: String,
}

/// What the three objects hold. By default there is none of them.
#[derive(Clone, Debug, Default)]
struct World {
    authority: Option<Secret>,
    leaf: Option<Secret>,
    /// The bundle of each webhook.
    bundles: Vec<Vec<u8>>,
    memory: Memory,
}

fn second(second: i64) -> Now {
    Now {
        uptime: Duration::from_secs(second.unsigned_abs()),
        wall: Timestamp::from_second(1_800_000_000 + second).unwrap(),
    }
}

fn day(day: i64) -> Now {
    second(day * DAY.as_secs())
}

fn names() -> Names {
    Names::new(["trustpool-gate.trustpool-system.svc"]).unwrap()
}

impl Secret {
    fn stored(&self) -> Stored<'_> {
        Stored {
            certificate: self.pem.certificate.as_bytes(),
            key: self.pem.key.as_bytes(),
            authorities: self.authorities.as_bytes(),
        }
    }
}

impl From<Contents> for Secret {
    fn from(contents: Contents) -> Self {
        Self {
            pem: contents.pem,
            authorities: contents.authorities.to_pem(),
        }
    }
}

impl World {
    /// Two webhooks that nobody has given anything.
    fn new() -> Self {
        Self {
            bundles: vec![Vec::new(), b"\n".to_vec()],
            ..Self::default()
        }
    }

    /// What is there once there is nothing to do.
    fn settled(now: Now) -> Self {
        let mut world = Self::new();
        while !matches!(world.plan(now), Step::Wait { .. }) {
            world.act(now);
        }
        world
    }

    fn state(&mut self, now: Now) -> State {
        let published = if self.bundles.is_empty() {
            Published::Absent
        } else {
            Published::Ours(self.bundles.clone())
        };
        State::read(
            self.authority.as_ref().map(Secret::stored).as_ref(),
            self.leaf.as_ref().map(Secret::stored).as_ref(),
            published,
            &mut self.memory,
            now,
        )
    }

    fn plan(&mut self, now: Now) -> Step {
        plan(&self.state(now), &names(), now)
    }

    /// Does what the plan says.
    fn act(&mut self, now: Now) {
        let step = self.plan(now);
        self.take(step, now);
    }

    /// Does `step`.
    fn take(&mut self, step: Step, now: Now) {
        match step {
            Step::Issue(_) => {
                let state = self.state(now);
                let authority = state.authority.readable().unwrap();
                let leaf = Contents::issue(authority, &names(), now.wall).unwrap();
                self.leaf = Some(leaf.into());
            }
            Step::Keep(bundle) => self.authority.as_mut().unwrap().authorities = bundle.to_pem(),
            Step::Make { previous, .. } => {
                self.authority = Some(Contents::make(previous, now.wall).unwrap().into());
            }
            Step::Publish(bundle) => self.bundles.fill(bundle.to_pem().into_bytes()),
            Step::Wait { .. } => {}
        }
    }

    /// The CAs in the CA's Secret, the one that issues first.
    fn kept(&self) -> Bundle {
        Bundle::read(self.authority.as_ref().unwrap().authorities.as_bytes())
    }
}
