//! What is printed can be read by whom it is for.

use std::fs;

use crate::certificates::Pair;
use crate::pki::take::tests::made;

use super::*;

fn printed(extender: Extender<'_>) -> Value {
    serde_saphyr::from_str(&scheduler(extender)).unwrap()
}

/// As kubeadm has it, with the certificates in `folder`.
fn usual(folder: &str) -> Extender<'_> {
    Extender {
        url: "https://127.0.0.1:9470",
        folder: Path::new(folder),
        kubeconfig: Path::new("/etc/kubernetes/scheduler.conf"),
    }
}

#[test]
fn the_secret_has_what_the_extender_needs_and_not_the_key_of_the_ca() {
    let (_directory, folder) = made();

    let yaml = secret(&folder, "ns", "name").unwrap();

    let read: Secret = serde_saphyr::from_str(&yaml).unwrap();
    let data = read.data.unwrap();
    let keys: Vec<_> = data.keys().collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
    Pair::read(&data["tls.crt"].0, &data["tls.key"].0).unwrap();
    assert_eq!(data["ca.crt"].0, fs::read(folder.file("ca.crt")).unwrap());
    assert_eq!(read.metadata.namespace.as_deref(), Some("ns"));
    // One line each: what is folded has spaces in it when it is read.
    assert!(
        yaml.lines().any(|line| line.starts_with("  tls.key: LS0t")),
        "{yaml}"
    );
}

#[test]
fn a_pair_that_is_of_no_use_is_not_printed() {
    let (_directory, folder) = made();
    let (_other, stranger) = made();
    fs::copy(stranger.file("extender.key"), folder.file("extender.key")).unwrap();

    let error = secret(&folder, "ns", "name").unwrap_err();
    assert!(
        error.to_string().ends_with("extender.crt` cannot be used"),
        "{error}"
    );

    fs::remove_file(folder.file("extender.key")).unwrap();
    let error = secret(&folder, "ns", "name").unwrap_err();
    assert!(
        error.to_string().contains("extender.key` is not there"),
        "{error}"
    );
}

#[test]
fn whoever_answers_is_not_believed_for_that() {
    let printed = printed(usual("/etc/kubernetes/trustpool"));

    let expected = json!({
        "serverName": "trustpool-extender",
        "caFile": "/etc/kubernetes/trustpool/ca.crt",
        "certFile": "/etc/kubernetes/trustpool/scheduler.crt",
        "keyFile": "/etc/kubernetes/trustpool/scheduler.key",
    });
    let extender = &printed["extenders"][0];
    assert_eq!(extender["urlPrefix"], json!("https://127.0.0.1:9470"));
    assert_eq!(extender["enableHTTPS"], json!(true));
    assert_eq!(extender["tlsConfig"], expected);
    let kubeconfig = &printed["clientConnection"]["kubeconfig"];
    assert_eq!(kubeconfig, &json!("/etc/kubernetes/scheduler.conf"));
}

#[test]
fn whatever_a_folder_is_called_it_is_found() {
    for folder in ["/a b/c", "/a: b", "/#x", "/\"q\"", "relative"] {
        let ca = printed(usual(folder))["extenders"][0]["tlsConfig"]["caFile"].clone();

        assert_eq!(ca, json!(format!("{folder}/ca.crt")));
    }
}
