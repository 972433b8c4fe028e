//! Nothing that a test starts survives it, even if the test is killed or Ctrl-C ends it.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use trustpool_harness::{Program, eventually};

/// Set for the copy of this test program that is to be killed: where its processes run.
const VICTIM: &str = "TRUSTPOOL_HARNESS_VICTIM";

const LONG: Duration = Duration::from_secs(10);

/// The number of the signal that Ctrl-C sends.
const SIGINT: i32 = 2;

/// A process with a child of its own, as `kill -9` leaves both of them behind.
const FAMILY: &str = "sleep 1000 & echo child $!; echo parent $$; wait";

#[tokio::test]
async fn nothing_survives_a_test_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut victim = start_victim(directory.path());
    let family = family(directory.path()).await.unwrap();
    assert!(family.iter().all(|process| is_alive(process)), "{family:?}");

    victim.kill().unwrap();
    victim.wait().unwrap();

    gone(&family).await.unwrap();
}

/// A terminal sends Ctrl-C to every process of the group in its foreground.
#[tokio::test]
async fn nothing_survives_ctrl_c() {
    let directory = tempfile::tempdir().unwrap();
    let mut victim = start_victim(directory.path());
    let family = family(directory.path()).await.unwrap();

    interrupt_group(victim.id());
    let ended = victim.wait().unwrap();

    assert_eq!(ended.signal(), Some(SIGINT), "{ended}");
    gone(&family).await.unwrap();
}

#[tokio::test]
async fn nothing_survives_a_process_that_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let process = program().start(directory.path()).unwrap();
    let family = family(directory.path()).await.unwrap();

    drop(process);

    gone(&family).await.unwrap();
}

#[tokio::test]
async fn nothing_survives_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let panics = std::thread::spawn(move || {
        let _process = program().start(&path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let family = runtime.block_on(family(&path)).unwrap();
        std::panic::panic_any(family);
    });

    let family = panics
        .join()
        .unwrap_err()
        .downcast::<Vec<PathBuf>>()
        .unwrap();

    gone(&family).await.unwrap();
}

/// Not a test: what the tests above run in a process of its own, to end it.
#[tokio::test]
async fn victim() {
    let Some(directory) = std::env::var_os(VICTIM) else {
        return;
    };
    let _process = program().start(Path::new(&directory)).unwrap();
    // It ends before its time only if the test that started it does.
    drop(std::io::read_to_string(std::io::stdin()));
}

fn program() -> Program {
    Program::new("family", Path::new("/bin/sh")).args(["-c", FAMILY])
}

/// Runs `victim` in a copy of this test program, as a shell runs a job: in a group of its own.
fn start_victim(directory: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "victim"])
        .env(VICTIM, directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    command.spawn().unwrap()
}

/// Sends SIGINT to a process group.
fn interrupt_group(leader: u32) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("kill -s INT -- -{leader}")]);
    assert!(command.status().unwrap().success());
}

/// The processes that the program says it consists of.
async fn family(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let log = directory.join("family.log");
    eventually(LONG, "the family", async || {
        let said = std::fs::read_to_string(&log).context("nothing said")?;
        let ids = said
            .split_whitespace()
            .filter(|word| word.parse::<u32>().is_ok());
        let family: Vec<_> = ids.map(|id| Path::new("/proc").join(id)).collect();
        ensure!(
            family.len() == 2 && said.ends_with('\n'),
            "said only `{said}`"
        );
        Ok(family)
    })
    .await
}

async fn gone(family: &[PathBuf]) -> anyhow::Result<()> {
    eventually(
        Duration::from_secs(2),
        "all processes to be gone",
        async || {
            let left: Vec<_> = family.iter().filter(|process| is_alive(process)).collect();
            ensure!(left.is_empty(), "{left:?}");
            Ok(())
        },
    )
    .await
}

/// Says whether a process runs; one that ended and was not waited for does not.
fn is_alive(process: &Path) -> bool {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}
