//! Waiting for something to come about, with a deadline and a message that says what was missing.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// How long to wait between the first two looks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two looks: short beside anything a cluster does.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Looks again and again until `look` succeeds, and returns what it gave.
///
/// `look` returns an error that says what it saw instead (`anyhow::ensure!` is made for this);
/// the last one is part of the error after the `deadline`, beside `what` was awaited.
///
/// # Errors
///
/// If `look` has not succeeded within the deadline.
pub async fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    let mut last = anyhow!("no look at it came to an end");
    let mut pause = FIRST_PAUSE;
    while let Ok(seen) = timeout_at(end, look()).await {
        match seen {
            Ok(value) => return Ok(value),
            Err(error) => last = error,
        }
        if Instant::now() + pause >= end {
            break;
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    Err(last).with_context(|| format!("waited {deadline:?} for {what}; what was seen last"))
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[tokio::test]
    async fn it_returns_what_the_first_successful_look_gave() {
        let mut looks = 0;

        let value = eventually(Duration::from_secs(5), "three looks", async || {
            looks += 1;
            ensure!(looks == 3, "{looks} looks");
            Ok(looks)
        });

        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn its_error_names_what_was_awaited_and_what_was_seen_last() {
        let never = eventually(Duration::from_millis(30), "the moon", async || {
            Err::<(), _>(anyhow!("a cloud"))
        });

        let error = format!("{:#}", never.await.unwrap_err());

        assert_eq!(
            error,
            "waited 30ms for the moon; what was seen last: a cloud"
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlast_the_deadline() {
        let hangs = eventually(Duration::from_millis(30), "an answer", async || {
            std::future::pending::<anyhow::Result<()>>().await
        });

        assert!(hangs.await.is_err());
    }
}
