//! Every flag that can be wrong is named with its value.

use tempfile::TempDir;

use super::*;
use crate::simulator::fault::Fault;
use crate::simulator::hosts::Rule;
use crate::telemetry::Chain;

/// A directory with a certificate, its key and a good file of hosts.
fn files() -> TempDir {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
    write("crt", made.cert.pem());
    write("key", made.signing_key.serialize_pem());
    write("hosts", "- {name: node1, verdict: trusted}\n".to_owned());
    write(
        "bad",
        "- {name: node1, verdict: trusted}\n- {name: node2, verdict: no}\n".to_owned(),
    );
    directory
}

/// Arguments that work, then `more`; `@` stands for the directory.
fn parsed(directory: &TempDir, more: &str) -> Result<Args, clap::Error> {
    let all = format!(
        "oat-simulator --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
         --tls-cert @/crt --tls-key @/key {more}"
    );
    let all = all.replace('@', directory.path().to_str().unwrap());
    Args::try_parse_from(all.split_whitespace())
}

#[test]
fn good_arguments_make_a_configuration() {
    let directory = files();

    let args = parsed(
        &directory,
        "--hosts @/hosts --auth-blob canary --time-scale 0.5",
    )
    .unwrap();

    assert!(!format!("{args:?}").contains("canary"));
    args.filter().unwrap();
    let config = args.config().unwrap();
    assert_eq!(config.hosts.iter().count(), 1);
    assert!(config.auth.is_some());
    assert_eq!(config.time_scale, "0.5".parse().unwrap());
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn an_argument_that_cannot_be_read_is_named_with_its_value() {
    let directory = files();
    let cases = [
        (
            "--dialect 1.6",
            ["--dialect", "dialect `1.6` is not simulated yet; use `2.x`"],
        ),
        ("--dialect 9", ["--dialect", "`9` is no dialect"]),
        ("--time-scale -1", ["--time-scale", "-1"]),
        (
            "--time-scale x",
            ["--time-scale", "`x` is no factor between 0 and 1000"],
        ),
        (
            "--auth-header @",
            ["--auth-header", "invalid HTTP header name"],
        ),
    ];
    for (given, expected) in cases {
        let error = parsed(&directory, given).unwrap_err().to_string();

        for part in expected {
            assert!(error.contains(part), "{given}: {error}");
        }
    }
}

#[test]
fn a_file_or_address_that_cannot_be_used_is_named_with_its_flag() {
    let directory = files();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cases = [
        ("--hosts @/bad", ["--hosts `", "line 2"]),
        ("--hosts @/none", ["--hosts `", "/none`"]),
        ("--auth-blob schlüssel", ["--auth-blob", "visible ASCII"]),
        ("--log trustpool=loud", ["--log `", "trustpool=loud"]),
    ];
    for (given, expected) in cases {
        let args = parsed(&directory, given).unwrap();
        let error = args.filter().err().or_else(|| args.config().err()).unwrap();

        let error = Chain(&error).to_string();
        for part in expected {
            assert!(error.contains(part), "{given}: {error}");
        }
        assert!(!error.contains("schlüssel"), "{error}");
    }

    let mut args = parsed(&directory, "").unwrap();
    args.admin_listen = taken.local_addr().unwrap();
    let error = args.config().unwrap_err().to_string();
    assert_eq!(
        error,
        format!("failed to listen on --admin-listen `{address}`")
    );

    let mut args = parsed(&directory, "").unwrap();
    args.tls_key = args.tls_cert.clone();
    let error = args.config().unwrap_err();
    assert!(Chain(&error).to_string().contains("--tls-key `"), "{error}");
}

#[test]
fn what_the_help_shows_works() {
    let (_, yaml) = LONG.split_once("may be left out:\n").unwrap();
    let (yaml, admin) = yaml.split_once("\n\n").unwrap();
    let body = |path| {
        let (_, line) = admin.split_once(path).unwrap();
        let (_, body) = line.split_once("-d '").unwrap();
        body.split('\'').next().unwrap()
    };

    assert_eq!(yaml.parse::<Hosts>().unwrap().iter().count(), 2);
    serde_json::from_str::<Rule>(body("-X PUT localhost:8444/hosts/node1")).unwrap();
    serde_json::from_str::<Fault>(body("-X PUT localhost:8444/fault")).unwrap();
    for line in LONG.split_once("Faults:\n").unwrap().1.lines() {
        let kind = line.split_whitespace().next().unwrap();
        let json = format!(r#"{{"kind":"{kind}"}}"#);
        serde_json::from_str::<Fault>(&json).unwrap();
    }
}
