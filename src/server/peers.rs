//! Who is connected: how many connections there are, and how many of them are one peer's.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at a time: kube-scheduler and an API server keep one to a few, Prometheus and the kubelet one
/// each. A quarter of the 1,024 files that a process may usually open.
const MOST: usize = 256;

/// Connections of one peer at a time, so that one cannot use up all the others'. Behind kube-proxy or a NAT
/// several API servers share an address: this is room for nine with three connections each.
const OF_ONE: usize = 32;

/// Those who are connected to one server. Clones share the count.
#[derive(Clone, Debug)]
pub struct Peers {
    counts: Arc<Mutex<Counts>>,
    most: usize,
    of_one: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// One connection's place. Dropping it makes room for another.
#[derive(Debug)]
pub struct Seat {
    peers: Peers,
    of: IpAddr,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// There are too many.
    All,
    /// There are too many of that peer.
    OfOne,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "there are {MOST} connections"),
            Self::OfOne => write!(f, "there are {OF_ONE} connections of that peer"),
        }
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self::at_most(MOST, OF_ONE)
    }
}

impl Peers {
    /// So many connections, and so many of one peer.
    pub(super) fn at_most(most: usize, of_one: usize) -> Self {
        Self {
            counts: Arc::default(),
            most,
            of_one,
        }
    }

    /// A place for one more connection of the peer at `address`.
    ///
    /// # Errors
    ///
    /// There is none left, for that peer or at all.
    pub fn seat(&self, address: IpAddr) -> Result<Seat, Full> {
        let of = peer(address);
        let mut counts = self.counts();
        if counts.all >= self.most {
            return Err(Full::All);
        }
        let own = counts.of.entry(of).or_default();
        // Everybody on this machine shares that address with kube-scheduler, which must not pay for it.
        if *own >= self.of_one && !of.is_loopback() {
            return Err(Full::OfOne);
        }
        *own += 1;
        counts.all += 1;
        drop(counts);
        Ok(Seat {
            peers: self.clone(),
            of,
        })
    }

    /// How many connections there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.counts().all
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.peers.counts();
        counts.all = counts.all.saturating_sub(1);
        let left = counts.of.get(&self.of).map_or(0, |own| own - 1);
        if left == 0 {
            counts.of.remove(&self.of);
        } else {
            counts.of.insert(self.of, left);
        }
    }
}

/// What counts as one peer: an IPv4 address, or the /64 of an IPv6 address, of which one machine has all.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_leaves_room_for_others_and_all_have_an_end() {
        let peers = Peers::at_most(3, 2);
        let [one, other, third] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(address);
        let first = peers.seat(one).unwrap();
        let _second = peers.seat(one).unwrap();

        assert_eq!(peers.seat(one).unwrap_err(), Full::OfOne);
        let _third = peers.seat(other).unwrap();
        assert_eq!(peers.seat(third).unwrap_err(), Full::All);

        drop(first);
        drop(peers.seat(third).unwrap());
        peers.seat(one).unwrap();
    }

    #[test]
    fn a_peer_is_an_ipv4_address_or_the_network_of_an_ipv6_address() {
        let table = [
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ];
        for (one, other, is_same) in table {
            let is = peer(address(one)) == peer(address(other));

            assert_eq!(is, is_same, "{one} {other}");
        }
    }

    #[test]
    fn those_on_this_machine_are_counted_together_alone() {
        for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let peers = Peers::at_most(3, 1);
            let seats = [0; 3].map(|_| peers.seat(address(loopback)).unwrap());

            assert_eq!(peers.seat(address(loopback)).unwrap_err(), Full::All);
            drop(seats);
        }
    }

    #[test]
    fn nobody_who_left_is_remembered() {
        let peers = Peers::default();

        drop(peers.seat(address("10.0.0.1")).unwrap());

        assert_eq!(peers.counts().of.len(), 0);
        assert_eq!(peers.counts().all, 0);
    }
}
