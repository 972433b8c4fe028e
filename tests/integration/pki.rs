//! `trustpool pki` as it is typed: from nothing to a replaced CA, by what it says itself.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn pki(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustpool"));
    command.arg("pki").args(arguments).arg("--dir").arg(folder);
    command.env_clear().output().unwrap()
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
    let key = std::fs::read_to_string(folder.join("ca.key")).unwrap();
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
