//! The file of hosts: a YAML list of `{name, verdict, delay}`.

use std::str::FromStr;

use thiserror::Error;

use crate::simulator::hosts::{Host, HostName, Hosts, Rule, TooMany};

/// Why a text is no list of hosts.
#[derive(Debug, Error)]
pub enum BadFile {
    /// A host is there twice.
    #[error("host `{name}` (entry {entry}) is there already")]
    Duplicate {
        /// The host.
        name: HostName,
        /// Which entry, counted from one.
        entry: usize,
    },
    /// The hosts are too many.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// Not YAML, or not of the right shape; says the line.
    #[error(transparent)]
    Yaml(#[from] serde_saphyr::Error),
}

impl FromStr for Hosts {
    type Err = BadFile;

    fn from_str(yaml: &str) -> Result<Self, BadFile> {
        let options = serde_saphyr::options! { with_snippet: false };
        // An empty file, or one of comments only, is an empty list.
        let list: Option<Vec<Host>> = serde_saphyr::from_str_with_options(yaml, options)?;
        let mut hosts = Self::default();
        for (at, host) in list.unwrap_or_default().into_iter().enumerate() {
            let Host {
                name,
                verdict,
                delay,
            } = host;
            if hosts.0.contains_key(&name) {
                let entry = at + 1;
                return Err(BadFile::Duplicate { name, entry });
            }
            hosts.set(name, Rule { verdict, delay })?;
        }
        Ok(hosts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::simulator::hosts::{Delay, Finding};

    #[test]
    fn a_file_lists_hosts_and_a_delay_may_be_left_out() {
        let yaml = "- {name: node1, verdict: trusted}\n\
                    - name: node2\n  verdict: hang\n  delay: 1m30s\n";

        let hosts: Hosts = yaml.parse().unwrap();

        let expected = [
            ("node1", Finding::Trusted, Duration::ZERO),
            ("node2", Finding::Hang, Duration::from_secs(90)),
        ]
        .map(|(name, verdict, delay)| Host {
            name: name.parse().unwrap(),
            verdict,
            delay: Delay(delay),
        });
        assert_eq!(hosts.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_empty_file_lists_no_host() {
        for yaml in ["", "# none\n", "[]"] {
            assert_eq!(yaml.parse::<Hosts>().unwrap(), Hosts::default(), "{yaml:?}");
        }
    }

    #[test]
    fn a_bad_file_is_refused_with_the_place_and_the_value() {
        let good = "- {name: node1, verdict: trusted}\n";
        let cases = [
            ("- {name: node2, verdict: maybe}", ["line 2", "maybe"]),
            (
                "- {name: node2, verdict: trusted, delay: -1s}",
                ["line 2", "`-1s` is negative"],
            ),
            (
                "- {name: node2, verdict: trusted, delay: soon}",
                ["line 2", "`soon`"],
            ),
            (
                "- {name: '', verdict: trusted}",
                ["line 2", "is no host name"],
            ),
            ("- {name: node2}", ["line 2", "`verdict`"]),
            (
                "- {name: node2, verdict: trusted, dealy: 1s}",
                ["line 2", "dealy"],
            ),
            ("- {name: node1, verdict: trusted}", ["entry 2", "`node1`"]),
            ("name: node1", ["line 2", ""]),
        ];
        for (given, expected) in cases {
            let error = format!("{good}{given}\n").parse::<Hosts>().unwrap_err();

            let error = error.to_string();
            for part in expected {
                assert!(error.contains(part), "{given}: {error}");
            }
        }
    }
}
