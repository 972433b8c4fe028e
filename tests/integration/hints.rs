//! What `make kind` prints at its end is text, and nothing that it does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "PATH of the test, and more")]
fn path() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn the_hints_say_how_to_delete_the_cluster_and_do_not() {
    let folder = TempDir::new().unwrap();
    let make = folder.path().join("make");
    fs::write(&make, "#!/bin/sh\ntouch \"$0.called\"\n").unwrap();
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), path());

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kind/up");
    let printed = Command::new("bash")
        .args([script, "hints"])
        .env("PATH", path)
        .output();

    let text = String::from_utf8(printed.unwrap().stdout).unwrap();
    assert!(text.ends_with("\n`make kind-down` deletes it.\n"), "{text}");
    assert!(!folder.path().join("make.called").exists());
}
