//! What is in the folder after each step, wherever it was cut short.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::pki::{Wish, plan};

use super::*;

const DONE: Wish = Wish {
    authority: false,
    done: true,
    wait: None,
};
const CA: Wish = Wish {
    authority: true,
    done: false,
    wait: None,
};

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub fn subjects() -> Subjects {
    Subjects {
        extender: Names::new(Subjects::EVERYWHERE).unwrap(),
        scheduler: None,
    }
}

pub fn lives() -> Lives {
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    Lives {
        authority: days(3650),
        certificate: days(365),
    }
}

/// A folder that was just made.
pub fn made() -> (TempDir, Folder) {
    let directory = TempDir::new().unwrap();
    let folder = Folder::at(directory.path().join("pki"));
    init(&folder, &subjects(), lives(), now()).unwrap();
    (directory, folder)
}

fn renew(folder: &Folder, wish: Wish) -> Step {
    let state = folder.read().unwrap();
    let step = plan(&state, wish, now()).unwrap();
    take(&step, folder, &state, &subjects(), lives(), now()).unwrap();
    step
}

/// How many of the CAs are believed, and how many of them each certificate is of.
fn believed(folder: &Folder) -> (usize, usize, usize) {
    let state = folder.read().unwrap();
    let extender = state.extender.readable().unwrap().certificate();
    let scheduler = state.scheduler.readable().unwrap().certificate();
    let cas = || state.bundle.iter();
    let servers = cas().filter(|ca| extender.is_signed_by(ca, now()));
    let clients = cas().filter(|ca| scheduler.is_clients_of(ca, now()));
    (state.bundle.len(), servers.count(), clients.count())
}

fn key_of_ca(folder: &Folder) -> String {
    fs::read_to_string(folder.file("ca.key")).unwrap()
}

#[test]
fn what_is_made_is_believed_and_keys_are_their_owners_alone() {
    let (_directory, folder) = made();

    assert_eq!(believed(&folder), (1, 1, 1));
    let state = folder.read().unwrap();
    let scheduler = state.scheduler.readable().unwrap().certificate();
    assert!(scheduler.is_called("system:kube-scheduler"));
    assert!(!scheduler.is_signed_by(state.bundle.iter().next().unwrap(), now()));
    let extender = state.extender.readable().unwrap().certificate();
    assert_eq!(extender.names(), Some(&subjects().extender));
    assert!(!extender.is_clients_of(state.bundle.iter().next().unwrap(), now()));
    assert_eq!(state.open, <[&str; 0]>::default());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().to_owned()), 0o700);
    for key in ["ca.key", "extender.key", "scheduler.key"] {
        assert_eq!(mode(folder.file(key)), 0o600, "{key}");
    }
}

#[test]
fn what_is_there_is_not_overwritten() {
    let (_directory, folder) = made();
    let before = key_of_ca(&folder);
    fs::remove_file(folder.file("ca.crt")).unwrap();

    let error = init(&folder, &subjects(), lives(), now()).unwrap_err();

    assert!(
        error.to_string().contains("ca.key` is there already"),
        "{error}"
    );
    assert_eq!(key_of_ca(&folder), before);
}

#[test]
fn a_ca_is_replaced_with_both_believed_while_anybody_needs_either() {
    let (_directory, folder) = made();
    let first = key_of_ca(&folder);

    assert!(matches!(renew(&folder, CA), Step::Announce(_)));
    assert_eq!(believed(&folder), (2, 1, 1));
    assert_eq!(key_of_ca(&folder), first);

    assert_eq!(renew(&folder, DONE), Step::TakeOver);
    assert_eq!(believed(&folder), (2, 1, 1));
    assert_ne!(key_of_ca(&folder), first);
    assert!(!folder.file("ca-next.key").exists());

    assert_eq!(renew(&folder, DONE), Step::Drop);
    assert_eq!(believed(&folder), (1, 1, 1));
}

/// As when the machine goes down between two writes.
#[test]
fn a_take_over_that_was_cut_short_is_finished_by_the_next_renew() {
    let (_directory, folder) = made();
    renew(&folder, CA);
    let state = folder.read().unwrap();
    let next = state.next.readable().unwrap();
    issue(&folder, next, &subjects(), lives(), now()).unwrap();

    assert_eq!(renew(&folder, Wish::default()), Step::TakeOver);

    assert_eq!(believed(&folder), (2, 1, 1));
    assert_eq!(renew(&folder, DONE), Step::Drop);
}

#[test]
fn names_that_were_given_once_are_kept() {
    let directory = TempDir::new().unwrap();
    let folder = Folder::at(directory.path().join("pki"));
    let names = Subjects::EVERYWHERE.into_iter().chain(["e.example"]);
    let given = Subjects {
        extender: Names::new(names).unwrap(),
        scheduler: Some("somebody".to_owned()),
    };
    init(&folder, &given, lives(), now()).unwrap();

    let state = folder.read().unwrap();
    assert_eq!(subjects().kept(&state), given);

    let other = Subjects {
        scheduler: Some("another".to_owned()),
        ..subjects()
    };
    assert_eq!(other.kept(&state).scheduler.as_deref(), Some("another"));
}
