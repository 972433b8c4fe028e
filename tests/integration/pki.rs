//! `trustpool pki` as it is typed: from nothing to a replaced CA, by what it says itself.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The files that `init` makes, in its order.
const MADE: [&str; 6] = [
    "ca.key",
    "ca.crt",
    "extender.key",
    "extender.crt",
    "scheduler.key",
    "scheduler.crt",
];

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustpool"));
    command.arg("pki").args(arguments).arg("--dir").arg(folder);
    command.env_clear();
    command
}

fn pki(arguments: &[&str], folder: &Path) -> Output {
    command(arguments, folder).output().unwrap()
}

fn says(arguments: &[&str], folder: &Path) -> String {
    let output = pki(arguments, folder);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn fails(arguments: &[&str], folder: &Path) -> String {
    let output = pki(arguments, folder);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn help_teaches_pki() {
    for command in ["init", "renew", "scheduler", "secret", "show"] {
        let mut trustpool = Command::new(env!("CARGO_BIN_EXE_trustpool"));
        let help = trustpool.args(["pki", command, "--help"]).env_clear();
        let help = String::from_utf8(help.output().unwrap().stdout).unwrap();

        insta::assert_snapshot!(format!("pki_{command}"), help);
    }
}

#[test]
fn from_nothing_to_a_replaced_ca_each_step_says_the_next() {
    let directory = TempDir::new().unwrap();
    let folder = &directory.path().join("pki");
    assert!(fails(&["show"], folder).contains("`trustpool pki init` makes it"));

    let made = says(&["init", "--names", "e.example"], folder);
    assert!(made.contains("kubectl apply --server-side"), "{made}");
    assert!(says(&["show"], folder).contains("e.example"));
    assert!(fails(&["init"], folder).contains("not overwritten"));
    assert!(fails(&["renew", "--done"], folder).contains("nothing was to be done"));

    let first = says(&["renew", "--ca"], folder);
    assert!(
        first.contains("1 of 3") && first.contains("--done"),
        "{first}"
    );
    assert!(first.contains("restart each kube-scheduler"), "{first}");
    assert!(fails(&["renew"], folder).contains("--done"));
    assert!(says(&["show"], folder).contains("CA, the next"));

    let second = says(&["renew", "--done"], folder);
    assert!(
        second.contains("2 of 3") && second.contains("--done"),
        "{second}"
    );
    assert!(fails(&["renew"], folder).contains("drop the old CA"));
    assert!(says(&["renew", "--done"], folder).contains("3 of 3"));
    assert!(says(&["show"], folder).contains("e.example"));
    assert!(says(&["renew"], folder).contains("it was asked for"));
}

#[test]
fn what_expires_soon_makes_show_fail() {
    let directory = TempDir::new().unwrap();
    let folder = &directory.path().join("pki");
    says(&["init", "--days", "20"], folder);

    assert!(fails(&["show"], folder).contains("2 things are wrong"));
    says(&["show", "--within-days", "10"], folder);
}

#[test]
fn the_key_of_the_ca_is_in_nothing_that_is_printed() {
    let directory = TempDir::new().unwrap();
    let folder = &directory.path().join("pki");
    let mut printed = says(&["init"], folder);
    let key = fs::read_to_string(folder.join("ca.key")).unwrap();
    for command in ["secret", "show", "scheduler"] {
        printed += &says(&[command], folder);
    }

    let secret = key.lines().nth(1).unwrap();
    let encoded = k8s_openapi::ByteString(key.as_bytes().to_vec());
    let encoded = serde_json::to_string(&encoded).unwrap();
    assert!(!printed.contains(secret), "as PEM");
    assert!(!printed.contains(encoded.trim_matches('"')), "as base64");
    assert!(printed.contains("trustpool-extender-tls"));
}

/// As when the machine goes down between two writes.
#[test]
fn wherever_init_was_cut_short_something_finishes_it() {
    for written in 1..MADE.len() {
        let directory = TempDir::new().unwrap();
        let folder = &directory.path().join("pki");
        says(&["init"], folder);
        for name in &MADE[written..] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        let key = fs::read(folder.join("ca.key")).unwrap();

        if written == 1 {
            says(&["init"], folder);
        } else {
            let refused = fails(&["init"], folder);
            assert!(refused.contains("see `trustpool pki renew`"), "{refused}");
            says(&["renew"], folder);
        }

        says(&["show"], folder);
        assert_eq!(fs::read(folder.join("ca.key")).unwrap(), key, "{written}");
    }
}

#[test]
fn a_key_that_cannot_be_read_is_neither_used_nor_overwritten() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("ca.key"), "no key").unwrap();

    let refused = fails(&["init"], directory.path());

    assert!(refused.contains("ca.key` cannot be used"), "{refused}");
    let found = fs::read_to_string(directory.path().join("ca.key")).unwrap();
    assert_eq!(found, "no key");
}

#[test]
fn while_one_writes_into_a_folder_another_is_refused() {
    let directory = TempDir::new().unwrap();
    let folder = &directory.path().join("pki");
    says(&["init"], folder);
    let before = fs::read(folder.join("extender.crt")).unwrap();
    let lock = File::open(folder.join(".lock")).unwrap();
    lock.lock().unwrap();

    for command in ["init", "renew"] {
        let refused = fails(&[command], folder);
        assert!(refused.contains("another `trustpool pki`"), "{refused}");
    }
    says(&["show"], folder);
    assert_eq!(fs::read(folder.join("extender.crt")).unwrap(), before);

    lock.unlock().unwrap();
    says(&["renew"], folder);
    assert_ne!(fs::read(folder.join("extender.crt")).unwrap(), before);
}

#[test]
fn many_at_once_leave_what_one_of_them_made() {
    let directory = TempDir::new().unwrap();
    let folder = &directory.path().join("pki");
    says(&["init"], folder);
    for _ in 0..20 {
        let start = |_| {
            let mut renew = command(&["renew"], folder);
            renew.stdout(Stdio::null()).stderr(Stdio::piped());
            renew.spawn().unwrap()
        };
        let all: Vec<_> = (0..6).map(start).collect();
        for child in all {
            let output = child.wait_with_output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(
                output.status.success() || error.contains("another"),
                "{error}"
            );
        }

        says(&["show"], folder);
    }
}

#[test]
fn nothing_is_left_behind_where_there_is_nothing_to_renew() {
    let directory = TempDir::new().unwrap();

    fails(&["renew"], directory.path());

    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
