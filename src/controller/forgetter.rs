//! The task that deletes NodeTrusts of nodes that are long gone.

use std::sync::Arc;

use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::api::NodeTrust;
use crate::domain::NodeName;
use crate::store::Kept;
use crate::telemetry::Chain;

use crate::call::call;

/// Deletes NodeTrusts that nobody needs any more.
#[derive(Clone, Debug)]
pub struct Forgetter {
    api: Api<NodeTrust>,
}

impl Forgetter {
    /// Makes a forgetter.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            api: Api::all(client),
        }
    }

    /// Deletes what comes in, until nothing more does. What was changed meanwhile stays.
    pub async fn run(self, mut forgotten: mpsc::Receiver<(NodeName, Arc<Kept>)>) {
        while let Some((name, kept)) = forgotten.recv().await {
            let preconditions = Preconditions {
                uid: Some(kept.uid.clone()),
                resource_version: Some(kept.version.clone()),
            };
            let params = DeleteParams::default().preconditions(preconditions);
            match call(self.api.delete(name.as_str(), &params)).await {
                Ok(_) => info!(node = %name, "NodeTrust of a node long gone deleted"),
                Err(error) if error.is_of_another() => {}
                Err(error) => {
                    warn!(node = %name, error = %Chain(&error), "NodeTrust could not be deleted");
                }
            }
        }
    }
}
