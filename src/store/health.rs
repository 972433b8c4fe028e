//! Whether the watches behind a snapshot are alive.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::domain::Now;
use crate::watch::{self, Event};

/// How long a watch may show neither event nor bookmark: until one that is silent lists anew, and 20 s for the listing.
pub const SILENCE: Duration = watch::SILENCE.saturating_add(Duration::from_secs(20));

/// A watch that decisions are made from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Watched {
    /// Namespaces.
    Namespaces,
    /// Nodes.
    Nodes,
    /// NodeTrusts.
    NodeTrusts,
}

impl Watched {
    /// As messages spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces => "Namespaces",
            Self::Nodes => "Nodes",
            Self::NodeTrusts => "NodeTrusts",
        }
    }
}

/// Why no decision may be made from the snapshot.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotReady {
    /// A watch has not listed yet.
    #[error("the watch of {} has not listed yet", .0.as_str())]
    NotListed(Watched),
    /// A watch shows no sign of life.
    #[error("the watch of {} has been silent for {} s", .0.as_str(), .1.as_secs())]
    Silent(Watched, Duration),
}

/// The last sign of life of one watch.
#[derive(Debug, Default)]
pub struct Beat {
    /// In milliseconds of uptime plus one; 0 before it has listed.
    at: AtomicU64,
    /// A new listing has begun, and is not over.
    listing: AtomicBool,
}

impl Beat {
    /// Notes that the watch has listed.
    pub fn list(&self, now: Now) {
        let millis = u64::try_from(now.uptime.as_millis()).unwrap_or(u64::MAX - 1);
        self.at.store(millis + 1, Ordering::Release);
        self.listing.store(false, Ordering::Release);
    }

    /// Notes that a listing begins: until it is over, what was known before grows old.
    pub fn suspend(&self) {
        self.listing.store(true, Ordering::Release);
    }

    /// Notes a sign of life; one before the first list, or in a listing, tells nothing.
    pub fn beat(&self, now: Now) {
        if self.silent_for(now).is_some() && !self.listing.load(Ordering::Acquire) {
            self.list(now);
        }
    }

    /// Says whether the watch, which shows `watched`, has listed and is alive.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn ready(&self, watched: Watched, now: Now) -> Result<(), NotReady> {
        let silent = self.silent_for(now).ok_or(NotReady::NotListed(watched))?;
        if silent >= SILENCE {
            return Err(NotReady::Silent(watched, silent));
        }
        Ok(())
    }

    /// How long the watch has been silent; `None` if it has not listed yet.
    fn silent_for(&self, now: Now) -> Option<Duration> {
        let at = self.at.load(Ordering::Acquire).checked_sub(1)?;
        Some(now.uptime.saturating_sub(Duration::from_millis(at)))
    }
}

/// What an event tells of its watch.
pub(super) enum Sign {
    /// It is whole.
    Listed,
    /// It is not, until it has listed: a listing that breaks again and again shows objects for ever, and
    /// never what is gone.
    Listing,
    /// It showed something.
    Shown,
}

impl Sign {
    pub(super) const fn of<K>(event: &Event<K>) -> Self {
        match event {
            Event::Listed => Self::Listed,
            Event::Started => Self::Listing,
            Event::Alive | Event::Applied(_) | Event::Deleted(_) => Self::Shown,
        }
    }
}

/// The beats of both watches.
#[derive(Debug, Default)]
pub struct Health {
    /// Nodes.
    pub nodes: Beat,
    /// NodeTrusts.
    pub node_trusts: Beat,
}

impl Health {
    /// Says whether both watches have listed and are alive.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn ready(&self, now: Now) -> Result<(), NotReady> {
        self.nodes.ready(Watched::Nodes, now)?;
        self.node_trusts.ready(Watched::NodeTrusts, now)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            uptime: Duration::from_secs(seconds),
            wall: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_watch_is_ready_from_its_first_list_until_it_was_silent_for_90_seconds() {
        let health = Health::default();
        health.nodes.beat(at(0));
        assert_eq!(
            health.ready(at(0)),
            Err(NotReady::NotListed(Watched::Nodes))
        );

        health.nodes.list(at(0));
        assert_eq!(
            health.ready(at(0)),
            Err(NotReady::NotListed(Watched::NodeTrusts))
        );

        health.node_trusts.list(at(1));
        assert_eq!(health.ready(at(89)), Ok(()));
        let silent = NotReady::Silent(Watched::Nodes, Duration::from_secs(90));
        assert_eq!(health.ready(at(90)), Err(silent));

        health.nodes.beat(at(90));
        assert_eq!(health.ready(at(90)), Ok(()));
    }

    #[test]
    fn a_listing_that_never_ends_is_no_sign_of_life() {
        let health = Health::default();
        for beat in [&health.nodes, &health.node_trusts] {
            beat.list(at(0));
        }
        health.nodes.suspend();
        for second in 1..90 {
            health.nodes.beat(at(second));
            health.node_trusts.beat(at(second));
        }

        let silent = NotReady::Silent(Watched::Nodes, Duration::from_secs(90));
        assert_eq!(health.ready(at(90)), Err(silent));
        health.nodes.list(at(90));
        health.nodes.beat(at(95));
        assert_eq!(health.ready(at(100)), Ok(()));
    }
}
