//! Judging the run, from outside.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use trustpool::api::keys;
use trustpool::leader::{LEASE, RETRY};
use trustpool_harness::AuditEvent;
use trustpool_harness::install::{BOTH, GATE, USER};
use trustpool_observer::{Facts, Gaps, Report, observe_file, read_journal};

use super::fleet::{CONTROLLERS, Fleet, VALIDITY};

/// Something that a controller did, or that befell it.
type Moment = (Timestamp, usize);

impl Fleet {
    /// What the observer says.
    pub async fn judge(&self, events: &[AuditEvent]) -> anyhow::Result<Report> {
        let audit = self.world.plane.audit();
        let journal = self.world.simulator.journal().await?;
        let entries = read_journal(journal.as_bytes())?;
        let accounts = [USER, GATE, BOTH].map(str::to_owned);
        let mut controller_gaps = Gaps::default();
        for (from, until) in self.without_leader(events) {
            controller_gaps.add(from, until);
        }
        self.pulse.add_to(&mut controller_gaps);
        let mut gate_gaps = Gaps::default();
        self.pulse.add_to(&mut gate_gaps);
        let facts = Facts {
            controller_gaps,
            gate_gaps,
            ..Facts::new(VALIDITY, accounts)
        };
        observe_file(audit.path(), &entries, &facts)
    }

    /// When nobody led because who did was killed.
    pub fn without_leader(&self, events: &[AuditEvent]) -> Vec<(Timestamp, Timestamp)> {
        without_leader(&claims(events), &self.deaths, &self.starts)
    }

    /// Keeps what the observer has read, for whoever wants to know more; says where.
    pub async fn keep(&self, seed: u64) -> anyhow::Result<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kills-{seed}"));
        fs::create_dir_all(&folder)?;
        let journal = self.world.simulator.journal().await?;
        fs::write(folder.join("journal.json"), journal)?;
        let story = format!("deaths: {:#?}\nstarts: {:#?}\n", self.deaths, self.starts);
        fs::write(folder.join("story"), story)?;
        for entry in fs::read_dir(self.world.plane.directory())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        Ok(folder)
    }
}

/// Who wrote the Lease, and when the API server was asked to.
fn claims(events: &[AuditEvent]) -> Vec<Moment> {
    let of_lease = events.iter().filter(|event| {
        let good = event.is_write() && event.response_status.code < 300;
        good && event.is_for("leases", "") && event.object_ref.name == keys::LEASE
    });
    let mut claims: Vec<Moment> = of_lease
        .filter_map(|event| {
            let who = CONTROLLERS
                .iter()
                .position(|user| *user == event.user.username)?;
            Some((event.request_received_timestamp, who))
        })
        .collect();
    claims.sort_unstable();
    claims
}

/// From each death of whoever led until another process did; but for no longer than that may take from when the last
/// of those who stood by was started.
fn without_leader(
    claims: &[Moment],
    deaths: &[Moment],
    starts: &[Moment],
) -> Vec<(Timestamp, Timestamp)> {
    let mut gaps = Vec::new();
    for &(died, who) in deaths {
        let led = claims.iter().rfind(|(at, _)| *at <= died);
        if led.is_none_or(|&(_, leader)| leader != who) {
            continue;
        }
        let again = starts
            .iter()
            .find(|&&(at, started)| started == who && at > died);
        let is_next =
            |&&(at, by): &&Moment| at > died && (by != who || again.is_some_and(|it| it.0 < at));
        let next = claims.iter().find(is_next);
        let next = next.map_or(Timestamp::MAX, |&(at, _)| at);
        let started = starts.iter().map(|&(at, _)| at);
        let stands_by = started.filter(|at| (died..next).contains(at)).max();
        let longest = SignedDuration::try_from(LEASE + 2 * RETRY).unwrap();
        let latest = stands_by.unwrap_or(died) + longest;
        gaps.push((died, next.min(latest)));
    }
    gaps
}

#[test]
fn nobody_leads_from_the_death_of_a_leader_until_the_next_claim() {
    let at = |second: i64| Timestamp::from_second(1_000 + second).unwrap();
    let moments = |those: &[(i64, usize)]| -> Vec<Moment> {
        those
            .iter()
            .map(|&(second, who)| (at(second), who))
            .collect()
    };
    let gaps = |claims: &[(i64, usize)], deaths: &[(i64, usize)], starts: &[(i64, usize)]| {
        without_leader(&moments(claims), &moments(deaths), &moments(starts))
    };

    // The other one takes over; that it dies later, while it does not lead, is nothing.
    let over = gaps(&[(0, 0), (11, 1), (12, 1)], &[(2, 0), (20, 0)], &[(3, 0)]);
    assert_eq!(over, [(at(2), at(11))]);
    // What was under way when it died is not another's.
    let late = gaps(&[(0, 0), (3, 0), (9, 0)], &[(2, 0)], &[(4, 0)]);
    assert_eq!(late, [(at(2), at(9))]);
    // Nobody comes: no longer than it may take.
    assert_eq!(gaps(&[(0, 0)], &[(2, 0)], &[]), [(at(2), at(14))]);
    assert_eq!(gaps(&[(0, 0)], &[(2, 0)], &[(5, 0)]), [(at(2), at(17))]);
}
