//! The program as it is typed: help that teaches, errors that name flag and value.

use std::process::{Command, Output};

fn trustpool(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trustpool"));
    command.args(arguments).env_clear().output().unwrap()
}

fn standard_error(arguments: &[&str]) -> String {
    let output = trustpool(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn help_teaches() {
    for role in ["check", "cleanup", "controller", "gate", "probe", "run"] {
        let help = trustpool(&[role, "--help"]);

        assert!(help.status.success());
        insta::assert_snapshot!(role, String::from_utf8(help.stdout).unwrap());
    }
}

#[test]
fn without_a_command_it_says_what_there_is() {
    let help = standard_error(&[]);

    assert!(help.contains("crds") && help.contains("run"), "{help}");
}

#[test]
fn a_bad_value_is_named_with_its_flag() {
    let table = [
        (["run", "--drain", "-5s"], "--drain"),
        (["run", "--drain", "1d"], "1d"),
        (
            ["run", "--extender-listen", "localhost"],
            "--extender-listen",
        ),
        (["run", "--log", "trustpool=loud"], "--log trustpool=loud"),
        (
            ["run", "--kubeconfig", "/nowhere/config"],
            "--kubeconfig /nowhere/config",
        ),
        (["crds", "--dir", "/nowhere/crds"], "/nowhere/crds"),
        (["gate", "--bind-listen", "here"], "--bind-listen"),
        (["gate", "--bind-tls-cert", "a"], "--bind-tls-key"),
        (["gate", "--extender-tls-cert", "a"], "--extender-client-ca"),
        (["gate", "--extender-client-ca", "a"], "--extender-tls-key"),
        (["gate", "--shutdown-delay", "-1s"], "--shutdown-delay"),
        (["gate", "--admin-socket", "/nowhere/s"], "--admin-socket"),
        (["probe", "--admin-socket", "/nowhere/s"], "/nowhere/s"),
        (["pki", "--init", "x"], "--init"),
    ];
    for (arguments, named) in table {
        let error = standard_error(&arguments);
        assert!(error.contains(named), "{arguments:?}: {error}");
    }
}

#[test]
fn invariant_10_a_kubeconfig_that_cannot_be_read_is_not_shown() {
    let file = std::env::temp_dir().join(format!("kubeconfig-{}", std::process::id()));
    std::fs::write(&file, "token: hunter2\n  bad: [\n").unwrap();
    let name = file.to_str().unwrap();

    let given = standard_error(&["run", "--kubeconfig", name]);
    let mut found = Command::new(env!("CARGO_BIN_EXE_trustpool"));
    let found = found
        .arg("run")
        .env_clear()
        .env("KUBECONFIG", name)
        .output()
        .unwrap();
    let found = String::from_utf8(found.stderr).unwrap();

    std::fs::remove_file(&file).unwrap();
    for error in [given, found] {
        assert!(error.contains("YAML of a kubeconfig"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn without_tls_it_listens_on_loopback_alone() {
    let error = standard_error(&["run", "--extender-listen", "0.0.0.0:9470"]);

    assert!(
        error.contains("--extender-listen") && error.contains("0.0.0.0:9470"),
        "{error}"
    );
}

#[test]
fn no_colours_when_piped() {
    let error = standard_error(&["run", "--kubeconfig", "/nowhere/config"]);

    assert!(!error.contains('\u{1b}'), "{error:?}");
}
