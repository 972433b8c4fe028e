//! Processes, played by the shell.

use anyhow::ensure;

use super::*;

fn shell(script: &str) -> (tempfile::TempDir, Process) {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::new("shell", Path::new("/bin/sh")).args(["-c", script]);
    let process = program.start(directory.path()).unwrap();
    (directory, process)
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn its_status_and_its_output_are_those_of_the_program() {
    let (_directory, mut process) = shell("echo one; echo two >&2; exit 7");

    let status = process.wait(LONG).await.unwrap();

    assert_eq!(status.code(), Some(7));
    assert_eq!(process.tail(10), "one\ntwo");
    assert_eq!(process.tail(1), "two");
}

#[tokio::test]
async fn a_process_that_ends_before_it_is_ready_shows_its_last_words_at_once() {
    let (_directory, mut process) = shell("echo 'no such flag'; exit 2");

    let error = process
        .ready(LONG, async || bail!("not yet"))
        .await
        .unwrap_err();

    let error = format!("{error:#}");
    assert!(error.contains("no such flag"), "{error}");
    assert!(error.contains("exit status: 2"), "{error}");
}

#[tokio::test]
async fn it_is_asked_to_end_before_it_is_killed() {
    let (_directory, mut process) =
        shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done");
    process.prints("up", LONG).await.unwrap();

    let status = process.stop().await.unwrap();

    assert_eq!(status.code(), Some(3));
    assert_eq!(process.tail(1), "bye");
}

#[tokio::test]
async fn a_stopped_process_hangs_until_it_is_continued() {
    let (_directory, mut process) =
        shell("i=0; while :; do i=$((i + 1)); echo $i; sleep 0.01; done");
    process.prints("3", LONG).await.unwrap();

    process.signal(Signal::Stop).unwrap();
    let stopped = format!("/proc/{}/stat", process.id());
    eventually(LONG, "the stop", async || {
        let stat = std::fs::read_to_string(&stopped)?;
        ensure!(stat.contains(") T "), "{stat}");
        Ok(())
    })
    .await
    .unwrap();
    let before = process.tail(1);
    process.signal(Signal::Continue).unwrap();

    eventually(LONG, "another line", async || {
        ensure!(process.tail(1) != before, "still {before}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn it_can_be_killed_and_started_again_with_the_same_log() {
    let (_directory, mut process) = shell("echo run; exec sleep 1000");
    process.prints("run", LONG).await.unwrap();
    let first = process.id();

    process.restart().unwrap();

    assert_ne!(process.id(), first);
    eventually(LONG, "a second line", async || {
        ensure!(process.tail(10) == "run\nrun", "{}", process.tail(10));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_signal_to_a_process_that_ended_is_refused() {
    let (_directory, mut process) = shell("exit 0");
    process.wait(LONG).await.unwrap();

    assert!(process.signal(Signal::Terminate).is_err());
}
