//! Named tasks. The first that ends before it is told to stops the rest, even if it ends well:
//! nothing may die unseen.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;
use tracing::{error, info};

/// The tasks of the process. Their log lines go where those of its maker go.
pub struct Supervisor {
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    /// A supervisor whose tasks end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            tasks: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Starts a task that is dropped when the process stops.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.start(name, async move {
            tokio::select! {
                ended = task => ended,
                () = stop.cancelled() => Ok(()),
            }
        });
    }

    /// Starts a task that stops by itself when the process does: it has something to finish.
    pub fn drain<E>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Into<anyhow::Error>,
    {
        self.start(name, async { task.await.map_err(Into::into) });
    }

    /// Waits until a task ends or the process is told to stop, stops the rest, and waits at most
    /// `drain` for them.
    ///
    /// # Errors
    ///
    /// The task that ended first, unless the process was told to stop.
    pub async fn wait(mut self, drain: Duration) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            ended = self.tasks.join_next_with_id() => self.untimely(ended),
            () = self.stop.cancelled() => Ok(()),
        };
        self.stop.cancel();
        info!("stopping");
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(drain, rest).await.is_err() {
            error!(tasks = self.tasks.len(), "tasks did not stop in time");
        }
        outcome
    }

    fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task.with_current_subscriber());
        self.names.insert(handle.id(), name);
    }

    /// What it means that a task ended, unless everything is stopping anyway.
    fn untimely(
        &self,
        ended: Option<Result<(Id, anyhow::Result<()>), JoinError>>,
    ) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            return Ok(());
        }
        let name = |id: &Id| self.names.get(id).copied().unwrap_or("unnamed");
        match ended {
            None => Err(anyhow!("there is no task to run")),
            Some(Ok((id, Ok(())))) => Err(anyhow!("task `{}` ended", name(&id))),
            Some(Ok((id, Err(error)))) => {
                Err(error).with_context(|| format!("task `{}` failed", name(&id)))
            }
            Some(Err(error)) => {
                let name = name(&error.id());
                Err(error).with_context(|| format!("task `{name}` panicked"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(5);

    async fn outcome(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> String {
        let mut tasks = Supervisor::new(CancellationToken::new());
        tasks.spawn("good", std::future::pending());
        tasks.spawn("bad", task);
        format!("{:#}", tasks.wait(DRAIN).await.unwrap_err())
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_stops_the_process_with_its_name() {
        assert_eq!(outcome(async { Ok(()) }).await, "task `bad` ended");
        let failed = outcome(async { Err(anyhow!("no more nodes")) }).await;
        assert_eq!(failed, "task `bad` failed: no more nodes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_stops_the_process_with_its_name() {
        let panicked = outcome(async { panic!("boom") }).await;

        assert!(panicked.starts_with("task `bad` panicked"), "{panicked}");
        assert!(panicked.contains("boom"), "{panicked}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_every_task_well() {
        let stop = CancellationToken::new();
        let mut tasks = Supervisor::new(stop.clone());
        tasks.spawn("good", std::future::pending());
        let server = stop.clone();
        tasks.drain("server", async move {
            server.cancelled().await;
            Ok::<(), std::io::Error>(())
        });
        stop.cancel();

        tasks.wait(DRAIN).await.unwrap();
    }
}
