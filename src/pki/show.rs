//! What `trustpool pki show` says: a line for each certificate, and what is wrong with them.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::certificates::{Authority, Certificate, Held, Pair};

use super::folder::{Folder, State};

/// What is in a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    lines: Vec<[String; COLUMNS]>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is under way, if a CA is being replaced.
    pub underway: Option<&'static str>,
}

/// Something that is wrong, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding(pub String);

/// Says whether a certificate is of a CA, for what it is shown for.
type IsOf = fn(&Certificate, &Certificate, Timestamp) -> bool;

const COLUMNS: usize = 6;

const HEAD: [&str; COLUMNS] = ["FILE", "IS", "NAMES", "EXPIRES", "LEFT", "SHA-256"];

const RENEW: &str = "run `trustpool pki renew`";

/// Looks at everything at `now`; what expires within `within` is wrong.
#[must_use]
pub fn report(state: &State, within: SignedDuration, now: Timestamp) -> Report {
    let mut looked = Looked {
        report: Report {
            lines: Vec::new(),
            findings: Vec::new(),
            underway: underway(state),
        },
        now,
        within,
    };
    looked.authorities(state);
    // Where only kube-scheduler's part was copied to, the rest is not missing.
    let is_copy = matches!(state.authority, Held::Missing);
    looked.pair(Folder::EXTENDER, "extender", &state.extender, is_copy);
    looked.pair(Folder::SCHEDULER, "scheduler", &state.scheduler, false);
    looked.trusted(state);
    for key in &state.open {
        looked.find(format!(
            "{key} can be read by others than its owner: chmod 600 {key}"
        ));
    }
    looked.report
}

fn underway(state: &State) -> Option<&'static str> {
    if state.next.readable().is_some() {
        return Some(
            "a CA is being replaced: both are believed, certificates are of the old one; when ca.crt is on every \
             machine and in the Secret, and every kube-scheduler was restarted: `trustpool pki renew --done`",
        );
    }
    let is_issuing = state.authority.readable().is_some();
    (is_issuing && state.bundle.len() > 1).then_some(
        "a CA is being replaced: both are believed, certificates are of the new one; when they are on every machine \
         and in the Secret: `trustpool pki renew --done`",
    )
}

/// A report in the making.
struct Looked {
    report: Report,
    now: Timestamp,
    within: SignedDuration,
}

impl Looked {
    fn find(&mut self, what: String) {
        self.report.findings.push(Finding(what));
    }

    fn authorities(&mut self, state: &State) {
        let own = |held: &Held<Authority>, it: &Certificate| {
            held.readable().is_some_and(|own| own.certificate() == it)
        };
        let is_known = state.authority.readable().is_some();
        for certificate in state.bundle.iter() {
            let is = if own(&state.authority, certificate) {
                "CA, issues"
            } else if own(&state.next, certificate) {
                "CA, the next"
            } else if is_known {
                "CA, the last"
            } else {
                "CA"
            };
            self.certificate(Folder::BUNDLE, is, certificate);
        }
        if let Held::Unreadable(error) = &state.authority {
            self.find(format!("ca.key cannot be used with ca.crt: {error}: restore one of them, or make a new folder"));
        }
        if let Held::Unreadable(_) = &state.next {
            self.find("ca-next.key is of no CA, a step was cut short: run `trustpool pki renew --ca` again, or remove it".to_owned());
        }
    }

    fn pair(&mut self, [file, key]: [&'static str; 2], is: &str, held: &Held<Pair>, is_copy: bool) {
        match held {
            Held::Missing if is_copy => {}
            Held::Missing => self.find(format!("{file} and {key} are not there: {RENEW}")),
            Held::Unreadable(error) => {
                self.find(format!("{file} and {key} cannot be used: {error}: {RENEW}"));
            }
            Held::Readable(pair) => self.certificate(file, is, pair.certificate()),
        }
    }

    /// Says which certificates would not be believed.
    fn trusted(&mut self, state: &State) {
        let now = self.now;
        let checks: [(&str, &Held<Pair>, IsOf); 2] = [
            (
                Folder::EXTENDER[0],
                &state.extender,
                Certificate::is_signed_by,
            ),
            (
                Folder::SCHEDULER[0],
                &state.scheduler,
                Certificate::is_clients_of,
            ),
        ];
        for (file, held, is_of) in checks {
            let Some(certificate) = held.readable().map(Pair::certificate) else {
                continue;
            };
            let is_believed = state.bundle.iter().any(|it| is_of(certificate, it, now));
            if !is_believed && !certificate.has_expired(now) {
                self.find(format!("{file} is of none of the CAs in ca.crt, or not for this: {RENEW}, or copy both anew"));
            }
        }
    }

    fn certificate(&mut self, file: &str, is: &str, certificate: &Certificate) {
        let at = certificate.not_after();
        let left = at.duration_since(self.now);
        let state = if certificate.has_expired(self.now) {
            self.find(format!("{file} ({is}) expired at {at}: {RENEW}"));
            "expired".to_owned()
        } else {
            if left < self.within {
                self.find(format!("{file} ({is}) expires at {at}: {RENEW}"));
            }
            format!("{} days", left.as_hours() / 24)
        };
        if self.now < certificate.not_before() {
            let from = certificate.not_before();
            self.find(format!(
                "{file} ({is}) does not count before {from}: look at the clock"
            ));
        }
        let names = names(certificate);
        let fingerprint = certificate.fingerprint();
        let line = [
            file.to_owned(),
            is.to_owned(),
            names,
            at.to_string(),
            state,
            fingerprint,
        ];
        self.report.lines.push(line);
    }
}

/// How a certificate is called: for clients by what it says, for servers by how they are reached.
fn names(certificate: &Certificate) -> String {
    match certificate.names() {
        Some(names) => names.to_string(),
        None => certificate.called().collect::<Vec<_>>().join(", "),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = HEAD.map(str::to_owned);
        let lines = || std::iter::once(&head).chain(&self.lines);
        let width = |column: usize| {
            lines()
                .filter_map(|it| it.get(column))
                .map(String::len)
                .max()
        };
        for line in lines() {
            let mut text = String::new();
            for (column, cell) in line.iter().enumerate() {
                let width = width(column).unwrap_or_default();
                text.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        for text in self
            .underway
            .iter()
            .copied()
            .chain(self.findings.iter().map(|it| it.0.as_str()))
        {
            writeln!(f, "\n{text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
