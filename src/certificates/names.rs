//! The names that a server is called by.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use rustls::pki_types::DnsName;

use super::error::Error;

/// DNS names in lower case and IP addresses, as a certificate has them; in order, and at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Takes each of `names`, a DNS name or an IP address.
    ///
    /// # Errors
    ///
    /// One is neither, or there is none.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<Self, Error> {
        let read = |name: N| normal(name.as_ref());
        let names = names.into_iter().map(read).collect::<Result<_, _>>()?;
        Self::found(names).ok_or(Error::Nameless)
    }

    /// What was found in a certificate; nothing if that has no name.
    pub(super) fn found(names: BTreeSet<String>) -> Option<Self> {
        (!names.is_empty()).then_some(Self(names))
    }

    /// Each name, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().collect();
        f.write_str(&names.join(", "))
    }
}

fn normal(name: &str) -> Result<String, Error> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match DnsName::try_from(name) {
        Ok(_) => Ok(name.to_ascii_lowercase()),
        Err(_) => Err(Error::Name {
            name: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whatever_their_order_and_case() {
        let names = Names::new(["b.example", "A.example", "::1", "10.0.0.1"]).unwrap();
        let same = Names::new(["10.0.0.1", "0:0::1", "a.example", "b.example", "b.EXAMPLE"]);

        assert_eq!(names, same.unwrap());
        assert_eq!(names.to_string(), "10.0.0.1, ::1, a.example, b.example");
    }

    #[test]
    fn what_no_certificate_can_have_is_refused() {
        for name in ["", "a b", "a:1", "https://a"] {
            let error = Names::new([name]).unwrap_err();

            assert_eq!(
                error,
                Error::Name {
                    name: name.to_owned()
                }
            );
        }
        assert_eq!(Names::new::<&str>([]), Err(Error::Nameless));
    }
}
