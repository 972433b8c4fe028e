//! What a streaming list would show, from a server that has none: everything that exists, read in pages.
//!
//! Kubernetes 1.33 is such a server: its feature gate `WatchList` is off unless somebody switches it on
//! (`kube_features.go` in k8s.io/apiserver).

use std::fmt::Debug;

use futures::io::AsyncReadExt;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, TypeMeta, WatchEvent, WatchParams};
use kube::core::Request;
use kube::core::watch::{Bookmark, BookmarkMeta};
use kube::{Api, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::trimmed::Trimmed;
use super::{Events, INITIAL_EVENTS_END};

/// How many objects a page has, while they are short.
const LIMIT: u32 = 500;

/// How many bytes of a page are read. Who may create objects may make them long: a page that is longer is asked for
/// again with half as many objects. Above what etcd takes for one (1.5 MiB).
const LONGEST: u64 = 8 << 20;

/// Says whether the server refused a streaming list because it has none: 422, and the option it does not know
/// (`ValidateListOptions` in k8s.io/apimachinery).
pub fn has_no_streaming_lists(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 422 && causes.into_iter().any(|it| it.field == "sendInitialEvents")
}

/// Everything that exists, as far as `params` select, and the bookmark that ends a streaming list. It ends without it
/// if anything fails: with 410, if the server forgot the version of the first page before the last was read.
pub fn list<K>(api: &Api<K>, params: &WatchParams) -> Events<K>
where
    K: Clone + Debug + DeserializeOwned + Resource + Send + 'static,
{
    let first = Pages {
        api: api.clone(),
        params: ListParams {
            label_selector: params.label_selector.clone(),
            field_selector: params.field_selector.clone(),
            ..ListParams::default().limit(LIMIT)
        },
        version: None,
    };
    stream::try_unfold(Some(first), Pages::turn)
        .map_ok(|events| stream::iter(events.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

/// What is still to be read.
struct Pages<K> {
    api: Api<K>,
    params: ListParams,
    /// Of the first page: changes after it are what the watch has to show.
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(bound = "K: DeserializeOwned")]
struct Page<K> {
    metadata: Metadata,
    /// Not there is not the same as `null`, which is none.
    #[serde(deserialize_with = "Option::deserialize")]
    items: Option<Vec<Trimmed<K>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

impl<K: Clone + Debug + DeserializeOwned + Resource + Send + 'static> Pages<K> {
    /// The events of the next page, and what is left then.
    async fn turn(pages: Option<Self>) -> kube::Result<Option<(Shown<K>, Option<Self>)>> {
        let Some(mut pages) = pages else {
            return Ok(None);
        };
        let Page { metadata, items } = pages.read().await?;
        let version = pages.version.unwrap_or(metadata.resource_version);
        let mut events: Shown<K> = items.into_iter().flatten().map(WatchEvent::Added).collect();
        if metadata.next.is_empty() {
            events.push(end(version));
            return Ok(Some((events, None)));
        }
        pages.version = Some(version);
        pages.params.continue_token = Some(metadata.next);
        Ok(Some((events, Some(pages))))
    }

    /// The next page, of as many objects as may be read at once. A token does not say how many are to follow
    /// (`DecodeContinue` in k8s.io/apiserver), so it holds for fewer too.
    async fn read(&mut self) -> kube::Result<Page<K>> {
        loop {
            let text = self.text().await?;
            let limit = self.params.limit.unwrap_or(LIMIT);
            if text.len() as u64 <= LONGEST {
                return serde_json::from_slice(&text).map_err(kube::Error::SerdeError);
            }
            if limit == 1 {
                return Err(io(std::io::Error::other("an object is too long")));
            }
            self.params.limit = Some(limit / 2);
        }
    }

    /// The next page as it comes; cut off behind [`LONGEST`].
    async fn text(&self) -> kube::Result<Vec<u8>> {
        let request = Request::new(self.api.resource_url());
        let request = if K::metadata_api() {
            request.list_metadata(&self.params)
        } else {
            request.list(&self.params)
        };
        let request = request.map_err(kube::Error::BuildRequest)?;
        let client = self.api.clone().into_client();
        let mut text = Vec::new();
        let body = client.request_stream(request).await?;
        let mut body = std::pin::pin!(body.take(LONGEST + 1));
        body.read_to_end(&mut text).await.map_err(io)?;
        Ok(text)
    }
}

type Shown<K> = Vec<WatchEvent<Trimmed<K>>>;

const fn io(error: std::io::Error) -> kube::Error {
    kube::Error::ReadEvents(error)
}

fn end<K>(resource_version: String) -> WatchEvent<K> {
    let ends = (INITIAL_EVENTS_END.to_owned(), "true".to_owned());
    WatchEvent::Bookmark(Bookmark {
        types: TypeMeta::default(),
        metadata: BookmarkMeta {
            resource_version,
            annotations: [ends].into(),
        },
    })
}
