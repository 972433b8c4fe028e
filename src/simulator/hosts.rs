//! What is played: for each host a verdict, and how long its answer takes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::friendly::{Spacing, SpanPrinter};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::Verdict;

mod file;

pub use file::BadFile;

/// How many hosts may be scripted: many times the largest cluster, and still bounded.
pub const MOST: usize = 100_000;

/// A length of time as `0s`, `250ms` or `1m30s`; never negative.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Delay(pub Duration);

/// Why a text is no [`Delay`].
#[derive(Clone, Debug, Error)]
pub enum BadDelay {
    /// Less than nothing.
    #[error("`{0}` is negative")]
    Negative(String),
    /// Not a length of time at all.
    #[error("`{0}` is no length of time such as `250ms`, `2s` or `0s`")]
    Unreadable(String),
}

impl FromStr for Delay {
    type Err = BadDelay;

    fn from_str(text: &str) -> Result<Self, BadDelay> {
        let signed: SignedDuration = text
            .parse()
            .map_err(|_error| BadDelay::Unreadable(text.to_owned()))?;
        let delay =
            Duration::try_from(signed).map_err(|_error| BadDelay::Negative(text.to_owned()))?;
        Ok(Self(delay))
    }
}

impl TryFrom<String> for Delay {
    type Error = BadDelay;

    fn try_from(text: String) -> Result<Self, BadDelay> {
        text.parse()
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);
        f.write_str(&PRINTER.unsigned_duration_to_string(&self.0))
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> Self {
        delay.to_string()
    }
}

/// The name under which the service knows a node; never empty. Each dialect has stricter rules of
/// its own.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct HostName(String);

/// A host name that is empty.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("`` is no host name")]
pub struct EmptyName;

impl HostName {
    /// As asked.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = EmptyName;

    fn try_from(name: String) -> Result<Self, EmptyName> {
        if name.is_empty() {
            return Err(EmptyName);
        }
        Ok(Self(name))
    }
}

impl FromStr for HostName {
    type Err = EmptyName;

    fn from_str(name: &str) -> Result<Self, EmptyName> {
        name.to_owned().try_into()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the service finds out about a host.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// Nothing, ever: a question about this host is never answered.
    Hang,
    /// It passed.
    Trusted,
    /// Not enrolled, or not reachable.
    #[default]
    Unknown,
    /// It failed.
    Untrusted,
}

impl Finding {
    /// What is answered; `None` if nothing ever is.
    #[must_use]
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Hang => None,
            Self::Trusted => Some(Verdict::Trusted),
            Self::Unknown => Some(Verdict::Unknown),
            Self::Untrusted => Some(Verdict::Untrusted),
        }
    }
}

/// What is played for one host.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What is found out.
    pub verdict: Finding,
    /// How long that takes.
    #[serde(default)]
    pub delay: Delay,
}

/// One host and what is played for it, as the file of hosts and `GET /hosts` spell it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// What is found out.
    pub verdict: Finding,
    /// How long that takes.
    #[serde(default)]
    pub delay: Delay,
}

/// Every host that is played. Any other is unknown, at once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hosts(BTreeMap<HostName, Rule>);

/// There are [`MOST`] hosts already.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there are {MOST} hosts already")]
pub struct TooMany;

impl Hosts {
    /// What is played for `name`, compared exactly.
    #[must_use]
    pub fn rule(&self, name: &HostName) -> Rule {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Sets what is played for `name`.
    ///
    /// # Errors
    ///
    /// It would be one host more than [`MOST`].
    pub fn set(&mut self, name: HostName, rule: Rule) -> Result<(), TooMany> {
        if self.0.len() >= MOST && !self.0.contains_key(&name) {
            return Err(TooMany);
        }
        self.0.insert(name, rule);
        Ok(())
    }

    /// Forgets `name`; `false` if it was not there.
    pub fn remove(&mut self, name: &HostName) -> bool {
        self.0.remove(name).is_some()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = Host> {
        self.0.iter().map(|(name, rule)| Host {
            name: name.clone(),
            verdict: rule.verdict,
            delay: rule.delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_delay_is_a_length_of_time_that_is_not_negative() {
        let cases = [
            ("0s", Ok(Duration::ZERO)),
            ("250ms", Ok(Duration::from_millis(250))),
            ("1m30s", Ok(Duration::from_secs(90))),
            ("-2s", Err("`-2s` is negative")),
            (
                "2",
                Err("`2` is no length of time such as `250ms`, `2s` or `0s`"),
            ),
            (
                "",
                Err("`` is no length of time such as `250ms`, `2s` or `0s`"),
            ),
        ];
        for (given, expected) in cases {
            let parsed = given.parse::<Delay>().map(|delay| delay.0);

            let parsed = parsed.map_err(|error| error.to_string());
            assert_eq!(parsed, expected.map_err(str::to_owned), "{given}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_delay_reads_back(nanos in 0..=u64::MAX / 4) {
            let delay = Delay(Duration::from_nanos(nanos));

            prop_assert_eq!(delay.to_string().parse::<Delay>().unwrap(), delay);
        }
    }

    #[test]
    fn a_host_nobody_scripted_is_unknown_at_once() {
        let hosts = Hosts::default();

        let rule = hosts.rule(&"ghost".parse().unwrap());

        assert_eq!(
            (rule.verdict, rule.delay),
            (Finding::Unknown, Delay(Duration::ZERO))
        );
    }

    #[test]
    fn a_full_script_takes_changes_but_no_further_host() {
        let mut hosts = Hosts::default();
        for n in 0..MOST {
            let name = format!("node{n}").parse().unwrap();
            hosts.set(name, Rule::default()).unwrap();
        }

        assert_eq!(hosts.set("node0".parse().unwrap(), Rule::default()), Ok(()));
        assert_eq!(
            hosts.set("one-more".parse().unwrap(), Rule::default()),
            Err(TooMany)
        );
    }
}
