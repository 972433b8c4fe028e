//! What happens to the files while somebody writes them.

use std::fs;

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::certificates::Pem;
use crate::server::tls::tests::{identity, made, shown};

use super::*;

fn files(folder: &TempDir) -> Files {
    Files {
        certificate: folder.path().join("tls.crt"),
        key: folder.path().join("tls.key"),
    }
}

fn write(files: &Files, certificate: &Pem, key: &Pem) {
    fs::write(&files.certificate, &certificate.certificate).unwrap();
    fs::write(&files.key, &key.key).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_pair_is_shown_and_half_of_one_is_not() {
    let folder = TempDir::new().unwrap();
    let (files, identity) = (files(&folder), identity());
    let (first, second) = (made(0), made(0));
    let mut tasks = JoinSet::new();
    write(&files, &first, &first);
    tasks.spawn(files.clone().follow(identity.clone()));
    let look = async || {
        sleep(PACE + Duration::from_secs(1)).await;
        shown(&identity)
    };

    assert_eq!(look().await.as_ref(), Some(&first.certificate));
    write(&files, &second, &first);
    assert_eq!(look().await, Some(first.certificate));
    let trouble = identity.trouble().unwrap();
    let end = "cannot be used: the private key is not that of the certificate";
    assert!(trouble.ends_with(end), "{trouble}");

    write(&files, &second, &second);
    assert_eq!(look().await.as_ref(), Some(&second.certificate));
    assert_eq!(identity.trouble(), None);

    fs::remove_file(&files.key).unwrap();
    assert_eq!(look().await, Some(second.certificate));
    let trouble = identity.trouble().unwrap();
    assert!(trouble.contains("tls.key`: No such file"), "{trouble}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let folder = TempDir::new().unwrap();
    let files = files(&folder);

    let error = files.load(&identity()).await.unwrap_err();

    let path = files.certificate.display();
    assert_eq!(error.to_string(), format!("failed to read `{path}`"));
}

#[tokio::test(start_paused = true)]
async fn cas_of_clients_are_read_again_and_what_is_no_ca_is_not_taken() {
    let folder = TempDir::new().unwrap();
    let file = ClientFile(folder.path().join("ca.crt"));
    let clients = Clients::named("x", prometheus_client::metrics::gauge::Gauge::default());
    let now = crate::clock::Clock::system().now();
    let authority = certificates::Authority::make(now.wall).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(file.clone().follow(clients.clone()));
    let look = async || {
        sleep(PACE + Duration::from_secs(1)).await;
        clients.ready(now)
    };

    let missing = look().await.unwrap_err();
    assert!(missing.contains("ca.crt`: No such file"), "{missing}");
    fs::write(&file.0, made(0).certificate).unwrap();
    let other = look().await.unwrap_err();
    assert!(
        other.ends_with("ca.crt` cannot be used: the certificate is not that of a CA"),
        "{other}"
    );
    fs::write(&file.0, authority.certificate().to_pem()).unwrap();
    assert_eq!(look().await, Ok(()));
}
