//! Years of it, with whatever goes wrong: every client takes what every server shows, at any moment.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;

/// How many seconds servers and clients are behind, at most.
const LAG: i64 = 60;

/// What happens before the controller looks the next time.
#[derive(Clone, Debug)]
enum Chance {
    /// It is started anew.
    Crash,
    /// Its next write is lost.
    Lose,
    /// It is away for so many days, then comes to rest.
    Pause(i64),
    /// From here on it sees each of the three objects as it was so many seconds ago.
    Stale([i64; 3]),
    /// So many seconds pass.
    Tick(i64),
    /// What it waits for comes.
    Wake,
}

fn chances() -> impl Strategy<Value = Vec<Chance>> {
    let chance = prop_oneof![
        2 => Just(Chance::Crash),
        2 => Just(Chance::Lose),
        1 => (0..20_i64).prop_map(Chance::Pause),
        3 => prop::array::uniform3(0..9_i64).prop_map(Chance::Stale),
        6 => (0..150_i64).prop_map(Chance::Tick),
        9 => Just(Chance::Wake),
    ];
    prop::collection::vec(chance, 1..120)
}

#[derive(Debug)]
struct Run {
    /// What the objects held in the last minute, each with the second from which they did; the last
    /// is what they hold.
    past: VecDeque<(i64, World)>,
    clock: i64,
    /// Whether everything was set up a minute ago.
    is_set_up: bool,
    /// Whether the next write is lost.
    loses: bool,
    memory: Memory,
    stale: [i64; 3],
}

impl Run {
    fn new() -> Self {
        Self {
            past: VecDeque::from([(0, World::new())]),
            clock: 0,
            is_set_up: false,
            loses: false,
            memory: Memory::default(),
            stale: [0; 3],
        }
    }

    fn happen(&mut self, chance: &Chance) {
        match *chance {
            Chance::Crash => self.memory = Memory::default(),
            Chance::Lose => self.loses = true,
            Chance::Pause(days) => {
                self.pass(days * DAY.as_secs());
                for _ in 0..8 {
                    self.look();
                    self.pass(120);
                }
            }
            Chance::Stale(stale) => self.stale = stale,
            Chance::Tick(seconds) => self.pass(seconds),
            Chance::Wake => {
                if let Step::Wait { until } = self.see().plan(second(self.clock)) {
                    let left = until.duration_since(second(self.clock).wall);
                    assert!(left.is_positive(), "woken in the past");
                    self.pass(left.as_secs().min(300 * DAY.as_secs()) + 1);
                }
            }
        }
        self.look();
    }

    /// Lets time pass, and forgets what nobody uses any more.
    fn pass(&mut self, seconds: i64) {
        self.clock += seconds;
        let over = self.clock - LAG;
        while self.past.get(1).is_some_and(|(from, _)| *from <= over) {
            self.past.pop_front();
        }
        self.check();
    }

    /// What the controller sees.
    fn see(&self) -> World {
        let [authority, leaf, bundles] = self.stale.map(|stale| self.at(self.clock - stale));
        World {
            authority: authority.authority.clone(),
            leaf: leaf.leaf.clone(),
            bundles: bundles.bundles.clone(),
            memory: self.memory.clone(),
        }
    }

    /// What was there at `second`.
    fn at(&self, second: i64) -> &World {
        let then = self.past.iter().rev().find(|(from, _)| *from <= second);
        &then.unwrap_or(&self.past[0]).1
    }

    /// One look of the controller. The server refuses a write if the object is not as it was seen.
    fn look(&mut self) {
        let now = second(self.clock);
        let mut seen = self.see();
        let step = seen.plan(now);
        self.memory = seen.memory.clone();
        let mut wanted = seen.clone();
        wanted.take(step.clone(), now);
        let mut there = self.past.back().unwrap().1.clone();
        let is_fresh = match step {
            Step::Issue(_) => seen.leaf == std::mem::replace(&mut there.leaf, wanted.leaf),
            Step::Keep(_) | Step::Make { .. } => {
                seen.authority == std::mem::replace(&mut there.authority, wanted.authority)
            }
            Step::Publish(_) => {
                seen.bundles == std::mem::replace(&mut there.bundles, wanted.bundles)
            }
            Step::Wait { .. } => return,
        };
        if is_fresh && !std::mem::take(&mut self.loses) {
            self.past.push_back((self.clock, there));
            self.check();
        }
    }

    /// Holds every certificate of the last minute against every bundle of the last minute.
    fn check(&mut self) {
        let whole = |it: &World| it.leaf.is_some() && it.bundles.iter().all(|it| it.len() > 1);
        let is_set_up = self.past.iter().all(|(_, it)| whole(it));
        assert!(is_set_up || !self.is_set_up, "something is gone");
        self.is_set_up = is_set_up;
        if !is_set_up {
            return;
        }
        let bundles = self.past.iter().flat_map(|(_, it)| &it.bundles);
        let clients: Vec<_> = bundles.map(|bundle| client(bundle)).collect();
        for (_, server) in &self.past {
            let shown = &server.leaf.as_ref().unwrap().pem.certificate;
            let accepts = |client| accept(client, shown, second(self.clock));
            clients.iter().for_each(accepts);
        }
    }
}

/// A client that trusts `bundle` alone.
fn client(bundle: &[u8]) -> Arc<WebPkiServerVerifier> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(bundle) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(default_provider());
    let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
    builder.build().unwrap()
}

/// Does what a client does when it is shown a certificate.
fn accept(client: &Arc<WebPkiServerVerifier>, shown: &str, now: Now) {
    let shown = CertificateDer::from_pem_slice(shown.as_bytes()).unwrap();
    let name = ServerName::try_from("trustpool-gate.trustpool-system.svc").unwrap();
    let seconds = Duration::from_secs(now.wall.as_second().unsigned_abs());
    let now = UnixTime::since_unix_epoch(seconds);
    let accepted = client.verify_server_cert(&shown, &[], &name, &[], now);
    accepted.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_client_takes_what_every_server_shows(chances in chances()) {
        let mut run = Run::new();
        for chance in &chances {
            run.happen(chance);
        }
        let start = run.clock;
        run.stale = [0; 3];
        for _ in 0..50 {
            run.happen(&Chance::Wake);
        }
        prop_assert!(run.is_set_up);
        prop_assert!(run.clock - start > 2 * 365 * DAY.as_secs(), "looks again and again");
    }
}
