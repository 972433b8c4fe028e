//! What happens, and when. It follows from the seed alone.

use std::time::Duration;

use super::fleet::ROLES;
use crate::walk::chance::Chance;

/// The nodes that may be trusted: the first two always, of the others now one and now another.
pub const NODES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const STEADY: usize = 2;

/// The nodes that never are.
pub const NEVER: [&str; 2] = ["y", "z"];

/// From one kill to the next, in milliseconds.
const PAUSE: (usize, usize) = (500, 3_500);

/// How long a replica is dead before it is started again.
const DEAD: (usize, usize) = (0, 4_000);

/// From one thing that befalls a node to the next.
const CHANGE: (usize, usize) = (300, 1_500);

/// When a pod is sent by hand to a node that was found to be untrusted, from when it was: known by then, as a rule.
const TRAP: (usize, usize) = (1_000, 6_000);

/// What happens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// A replica is killed, which runs.
    Kill(usize),
    /// It is started again.
    Start(usize),
    /// What the service says of a host from now on.
    Play(&'static str, &'static str),
    /// A kubelet reports another boot.
    Reboot(&'static str),
    /// A tenant binds a pod that asks to this node by hand.
    Trap(&'static str),
}

/// So many kills, and what befalls the nodes meanwhile: when, from the beginning on, and what.
pub fn plan(seed: u64, kills: usize) -> Vec<(Duration, Deed)> {
    let mut chance = Chance::new(seed);
    let mut deeds = deaths(&mut chance, kills);
    let end = deeds.iter().map(|(at, _)| *at).max().unwrap_or_default();
    deeds.extend(changes(&mut chance, end));
    deeds.sort_by_key(|(at, _)| *at);
    let millis = |at| Duration::from_millis(u64::try_from(at).unwrap());
    deeds
        .into_iter()
        .map(|(at, deed)| (millis(at), deed))
        .collect()
}

fn deaths(chance: &mut Chance, kills: usize) -> Vec<(usize, Deed)> {
    let (mut now, mut deeds) = (0, Vec::new());
    let mut back = [0; ROLES];
    for _ in 0..kills {
        now += chance.between(PAUSE.0, PAUSE.1);
        let running: Vec<usize> = (0..ROLES).filter(|&role| back[role] < now).collect();
        // All are dead: nobody can be killed before one is back.
        let victim = if running.is_empty() {
            let first = (0..ROLES).min_by_key(|&role| back[role]).unwrap();
            now = back[first] + 1;
            first
        } else {
            chance.of(&running)
        };
        back[victim] = now + chance.between(DEAD.0, DEAD.1);
        deeds.push((now, Deed::Kill(victim)));
        deeds.push((back[victim], Deed::Start(victim)));
    }
    deeds
}

fn changes(chance: &mut Chance, end: usize) -> Vec<(usize, Deed)> {
    let (mut now, mut deeds) = (0, Vec::new());
    while now < end {
        now += chance.between(CHANGE.0, CHANGE.1);
        let node = chance.of(&NODES[STEADY..]);
        match chance.below(10) {
            0..4 => deeds.push((now, Deed::Play(node, "trusted"))),
            4..8 => {
                deeds.push((now, Deed::Play(node, "untrusted")));
                for _ in 0..2 {
                    let later = now + chance.between(TRAP.0, TRAP.1);
                    deeds.push((later, Deed::Trap(node)));
                }
            }
            8 => deeds.push((now, Deed::Reboot(node))),
            _ => deeds.push((now, Deed::Trap(chance.of(&NEVER)))),
        }
    }
    deeds
}

#[test]
fn a_plan_follows_from_its_seed_and_kills_nobody_who_is_dead() {
    assert_eq!(plan(7, 50), plan(7, 50));
    assert_ne!(plan(7, 50), plan(8, 50));

    let mut running = [true; ROLES];
    let mut kills = 0;
    for (_, deed) in plan(7, 50) {
        match deed {
            Deed::Kill(role) => {
                assert!(std::mem::replace(&mut running[role], false));
                kills += 1;
            }
            Deed::Start(role) => running[role] = true,
            _ => {}
        }
    }
    assert_eq!((running, kills), ([true; ROLES], 50));
}
