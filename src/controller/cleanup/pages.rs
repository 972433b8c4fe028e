//! Lists, some at a time: nothing here grows with the cluster.

use std::fmt::Debug;

use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;

use crate::call::call;

use super::{Error, failed};

/// How many objects one answer of the API server holds.
const PAGE: u32 = 500;

/// A list of what `params` select.
#[derive(Debug)]
pub struct Pages {
    params: ListParams,
    over: bool,
}

impl Pages {
    /// From the first page on.
    pub fn new(params: ListParams) -> Self {
        let params = params.limit(PAGE);
        let over = false;
        Self { params, over }
    }

    /// The next page; nothing after the last.
    pub async fn next<K>(&mut self, api: &Api<K>, what: &str) -> Result<Option<Vec<K>>, Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        if self.over {
            return Ok(None);
        }
        let page = call(api.list(&self.params)).await.map_err(failed(what))?;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.over = token.is_none();
        self.params.continue_token = token;
        Ok(Some(page.items))
    }
}
