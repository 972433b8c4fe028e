//! One list-and-watch, kept alive: streaming lists, or pages where the server has none, bookmarks, resumption, backoff.
//!
//! kube's own `watcher` swallows bookmarks, and they are the only sign of life of a watch on a quiet
//! cluster: without them nobody can tell a silent watch from a dead one.

mod mirror;
mod pages;
mod trimmed;

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use kube::api::{WatchEvent, WatchParams};
use kube::core::Request;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::domain::backoff;
use crate::telemetry::Chain;

pub use mirror::Mirror;

use trimmed::Trimmed;

/// How long a connection may bring neither event nor bookmark before everything is listed anew. The API server
/// sends a bookmark about once a minute, but none before it has heard of a change since the watch began
/// (`cacheWatcher.process` in k8s.io/apiserver): of what never changes, and with an etcd that notifies of its progress
/// every ten minutes as it does by default, only a listing tells whether it is still so.
pub const SILENCE: Duration = Duration::from_secs(70);

/// Annotation of the bookmark that ends the initial events (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What a watch shows.
#[derive(Clone, Debug)]
pub enum Event<K> {
    /// A bookmark: nothing changed.
    Alive,
    /// The object is there, in this state.
    Applied(K),
    /// The object is gone; this was its last state.
    Deleted(K),
    /// Everything that exists was shown since [`Event::Started`]. What was not is gone.
    Listed,
    /// A new listing begins.
    Started,
}

impl<K> Event<K> {
    /// The event, with its object as `as_what` makes it.
    pub fn map<T>(self, as_what: impl FnOnce(K) -> T) -> Event<T> {
        match self {
            Self::Alive => Event::Alive,
            Self::Applied(object) => Event::Applied(as_what(object)),
            Self::Deleted(object) => Event::Deleted(as_what(object)),
            Self::Listed => Event::Listed,
            Self::Started => Event::Started,
        }
    }
}

/// Watches `api` for ever, as far as `params` select; logs call it `what`. Errors are logged and tried again after 1, 2,
/// 4, then 8 seconds.
pub fn watch<K>(
    what: &'static str,
    api: Api<K>,
    params: WatchParams,
) -> impl Stream<Item = Event<K>>
where
    K: Clone + Debug + DeserializeOwned + Resource + Send + 'static,
{
    let state = Watch {
        what,
        api,
        params,
        version: None,
        failures: 0,
        events: None,
    };
    stream::unfold(state, |mut state| async {
        let event = state.next().await;
        Some((event, state))
    })
}

type Events<K> = BoxStream<'static, kube::Result<WatchEvent<Trimmed<K>>>>;

struct Watch<K> {
    what: &'static str,
    api: Api<K>,
    params: WatchParams,
    /// Where to go on; `None` to list anew.
    version: Option<String>,
    failures: u32,
    events: Option<Events<K>>,
}

impl<K: Clone + Debug + DeserializeOwned + Resource + Send + 'static> Watch<K> {
    async fn next(&mut self) -> Event<K> {
        loop {
            let Some(events) = &mut self.events else {
                if self.connect().await {
                    return Event::Started;
                }
                continue;
            };
            match timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => {
                    if let Some(event) = self.read(event) {
                        return event;
                    }
                    self.end().await;
                }
                Ok(None) => self.end().await,
                Ok(Some(Err(error))) => self.fail(&error).await,
                Err(_) => {
                    debug!(what = self.what, "watch was silent, listing anew");
                    self.events = None;
                    self.version = None;
                }
            }
        }
    }

    /// Opens the watch. Says whether a listing begins: every time as a streaming list first, since a server may be
    /// another one by then.
    async fn connect(&mut self) -> bool {
        let listing = self.version.is_none();
        let params = if listing {
            self.params.clone().initial_events()
        } else {
            self.params.clone()
        };
        let version = self.version.clone().unwrap_or_default();
        match timeout(SILENCE, open(&self.api, &params, &version)).await {
            Ok(Ok(events)) => {
                self.events = Some(events);
                return listing;
            }
            Ok(Err(error)) if listing && pages::has_no_streaming_lists(&error) => {
                debug!(what = self.what, "no streaming lists, reading pages");
                self.events = Some(pages::list(&self.api, &self.params));
                return true;
            }
            Ok(Err(error)) => self.fail(&error).await,
            Err(_) => warn!(what = self.what, "watch was not answered"),
        }
        false
    }

    /// What an event means, if it means anything.
    fn read(&mut self, event: WatchEvent<Trimmed<K>>) -> Option<Event<K>> {
        match event {
            WatchEvent::Added(Trimmed(object)) | WatchEvent::Modified(Trimmed(object)) => {
                self.follow(object.meta().resource_version.as_deref());
                Some(Event::Applied(object))
            }
            WatchEvent::Deleted(Trimmed(object)) => {
                self.follow(object.meta().resource_version.as_deref());
                Some(Event::Deleted(object))
            }
            WatchEvent::Bookmark(bookmark) => {
                let ends = bookmark
                    .metadata
                    .annotations
                    .contains_key(INITIAL_EVENTS_END);
                self.failures = 0;
                self.version = Some(bookmark.metadata.resource_version);
                Some(if ends { Event::Listed } else { Event::Alive })
            }
            WatchEvent::Error(status) => {
                debug!(
                    what = self.what,
                    code = status.code,
                    reason = status.reason,
                    "watch was ended by the server"
                );
                // Whatever it was (410 Gone as a rule), only a new listing is sure to be whole.
                self.failures = self.failures.saturating_add(1);
                self.version = None;
                None
            }
        }
    }

    /// Goes on after this version, should the watch break: one that went back to the last bookmark
    /// would show states again that are over. While a listing runs it is begun anew instead.
    fn follow(&mut self, version: Option<&str>) {
        self.failures = 0;
        if self.version.is_some() {
            self.version = version.map(str::to_owned);
        }
    }

    /// The server ends every watch after some minutes; it goes on where it was, at once unless the
    /// server ended it for an error.
    async fn end(&mut self) {
        self.events = None;
        if self.failures > 0 {
            sleep(backoff::service(self.failures).unsigned_abs()).await;
        }
        self.failures = self.failures.saturating_add(1);
    }

    async fn fail(&mut self, error: &kube::Error) {
        self.events = None;
        if is_lost(error) {
            self.version = None;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = backoff::service(self.failures).unsigned_abs();
        warn!(what = self.what, error = %Chain(error), wait = ?wait, "watch failed, trying again");
        sleep(wait).await;
    }
}

/// As [`Api::watch`] does, but for how an object is read.
async fn open<K>(api: &Api<K>, params: &WatchParams, version: &str) -> kube::Result<Events<K>>
where
    K: Clone + Debug + DeserializeOwned + Resource + Send + 'static,
{
    let request = Request::new(api.resource_url());
    let request = if K::metadata_api() {
        request.watch_metadata(params, version)
    } else {
        request.watch(params, version)
    };
    let request = request.map_err(kube::Error::BuildRequest)?;
    let client = api.clone().into_client();
    Ok(client.request_events(request).await?.boxed())
}

/// Says whether the API server cannot go on from the version that it was asked to go on from: it has
/// forgotten it (410), or never had it (504 `ResourceVersionTooLarge`, after a restore of etcd).
fn is_lost(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 410 | 504))
}

#[cfg(test)]
mod tests;
