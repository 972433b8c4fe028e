//! `tests/controlplane/build`: what it says to those who lack something, and how quick it is once
//! it has built.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::fs::{Permissions, read_dir, read_to_string, set_permissions, write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use trustpool_harness::binaries;

const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/build");
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/go.mod");

/// A Go that knows `-C`, and is too old all the same.
const OLD: &str = "#!/bin/sh\necho go1.21.13\n";

/// A Go from before `-C`.
const OLDER: &str = "#!/bin/sh
case $1 in
-C) echo 'flag provided but not defined: -C' >&2; exit 2 ;;
*) echo go1.19.13 ;;
esac
";

/// A machine on which nothing was built yet.
struct Machine {
    /// Every program of this one but `go`.
    programs: TempDir,
    cache: TempDir,
}

impl Machine {
    fn new() -> Self {
        let programs = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let folders = std::env::split_paths(&path).filter_map(|folder| read_dir(folder).ok());
        for program in folders.flatten().map(Result::unwrap) {
            let link = programs.path().join(program.file_name());
            // As in PATH, the first of a name is the one that runs.
            if program.file_name() != "go" && !link.is_symlink() {
                symlink(program.path(), link).unwrap();
            }
        }
        let cache = tempfile::tempdir().unwrap();
        Self { programs, cache }
    }

    /// With a program `go` that does what `script` says.
    fn with_go(script: &str) -> Self {
        let machine = Self::new();
        let go = machine.programs.path().join("go");
        write(&go, script).unwrap();
        set_permissions(go, Permissions::from_mode(0o755)).unwrap();
        machine
    }

    fn build(&self, kubernetes: Option<&str>) -> Output {
        let mut command = Command::new(BUILD);
        command.env("PATH", self.programs.path());
        command.env("TRUSTPOOL_CACHE", self.cache.path());
        command.env_remove("KUBERNETES_VERSION");
        command.envs(kubernetes.map(|version| ("KUBERNETES_VERSION", version)));
        command.output().unwrap()
    }
}

/// The one sentence of a build that gave up before it began.
fn refusal(machine: &Machine, kubernetes: Option<&str>) -> String {
    let output = machine.build(kubernetes);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(output.stdout, b"", "only a folder is printed there");
    assert_eq!(said.lines().count(), 1, "{said}");
    let left = read_dir(machine.cache.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is begun");
    said
}

/// What go.mod says after `word`.
fn needed(word: &str) -> String {
    let module = read_to_string(Path::new(MODULE)).unwrap();
    let mut lines = module.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(word)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn without_go_it_says_in_one_sentence_which_one_to_install() {
    let said = refusal(&Machine::new(), None);

    assert!(
        said.contains(&format!("Go {} or newer", needed("go "))),
        "{said}"
    );
    assert!(said.contains("there is no `go` in PATH"), "{said}");
    assert!(said.contains("https://go.dev/dl"), "{said}");
}

#[test]
fn with_an_old_go_it_says_in_one_sentence_which_one_it_has_and_which_one_to_install() {
    for (script, found) in [(OLD, "1.21.13"), (OLDER, "1.19.13")] {
        let said = refusal(&Machine::with_go(script), None);

        assert!(
            said.contains(&format!("Go {} or newer", needed("go "))),
            "{said}"
        );
        assert!(said.contains(&format!("this is Go {found}: ")), "{said}");
        assert!(said.contains("https://go.dev/dl"), "{said}");
    }
}

#[test]
fn a_kubernetes_that_is_no_version_is_named_beside_one_that_is() {
    let pinned = needed("k8s.io/kubernetes ");
    for nonsense in ["nonsense", "1.36.4", "v2.0.0", "v1.36"] {
        let said = refusal(&Machine::new(), Some(nonsense));

        let expected = format!("is `{nonsense}`, but must look like `{pinned}`");
        assert!(said.contains(&expected), "{said}");
    }
}

#[tokio::test]
async fn once_it_has_built_it_prints_the_folder_within_seconds() {
    let directory = binaries().await.unwrap().directory();

    let start = Instant::now();
    let output = Command::new(BUILD).output().unwrap();
    let took = start.elapsed();

    assert!(took < Duration::from_secs(10), "{took:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(Path::new(printed.trim_end()), directory);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
