//! What is said of a folder.

use std::fs;

use crate::pki::take::tests::{lives, made, now, subjects};
use crate::pki::{Wish, plan, take};

use super::*;

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn found(folder: &Folder, at: Timestamp) -> Vec<String> {
    let report = report(&folder.read().unwrap(), days(30), at);
    report.findings.into_iter().map(|it| it.0).collect()
}

#[test]
fn everything_is_shown_with_its_name_and_end() {
    let (_directory, folder) = made();

    let report = report(&folder.read().unwrap(), days(30), now());

    let text = report.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        lines[0].starts_with("FILE           IS          NAMES"),
        "{text}"
    );
    assert!(lines[1].contains("ca.crt         CA, issues"), "{text}");
    assert!(
        lines[2].contains("::1, localhost, trustpool-extender"),
        "{text}"
    );
    assert!(lines[2].contains("365 days"), "{text}");
    assert!(lines[3].contains("system:kube-scheduler"), "{text}");
    assert!(report.findings.is_empty(), "{text}");
}

#[test]
fn what_ends_soon_or_has_ended_is_wrong() {
    let (_directory, folder) = made();
    let at = |day| now().saturating_add(days(day)).unwrap();

    assert!(found(&folder, at(334)).is_empty());
    let soon = found(&folder, at(336));
    assert_eq!(soon.len(), 2, "{soon:?}");
    assert!(
        soon[0].starts_with("extender.crt (extender) expires at 2"),
        "{soon:?}"
    );
    let late = found(&folder, at(366));
    assert!(
        late[1].starts_with("scheduler.crt (scheduler) expired at"),
        "{late:?}"
    );
    let early = found(&folder, at(-1));
    assert!(early[0].contains("does not count before"), "{early:?}");
}

#[test]
fn what_cannot_be_used_is_wrong_and_what_to_do_is_said() {
    let (_directory, folder) = made();
    let (_other, stranger) = made();
    fs::copy(stranger.file("extender.key"), folder.file("extender.key")).unwrap();
    for file in ["scheduler.crt", "scheduler.key"] {
        fs::copy(stranger.file(file), folder.file(file)).unwrap();
    }
    fs::remove_file(folder.file("ca.key")).unwrap();
    fs::copy(stranger.file("ca.key"), folder.file("ca.key")).unwrap();

    let wrong = found(&folder, now());

    let expected = [
        "ca.key cannot",
        "extender.crt and extender.key",
        "scheduler.crt is of none",
    ];
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    for (wrong, expected) in wrong.iter().zip(expected) {
        assert!(wrong.starts_with(expected), "{wrong}");
    }
}

#[test]
fn a_key_that_others_may_read_is_wrong() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, folder) = made();
    let permissions = fs::Permissions::from_mode(0o640);
    fs::set_permissions(folder.file("ca.key"), permissions).unwrap();

    assert_eq!(
        found(&folder, now()),
        ["ca.key can be read by others than its owner: chmod 600 ca.key"]
    );
}

#[test]
fn on_a_machine_of_kube_scheduler_the_rest_is_not_missing() {
    let (_directory, folder) = made();
    for file in ["ca.key", "extender.crt", "extender.key"] {
        fs::remove_file(folder.file(file)).unwrap();
    }
    assert!(found(&folder, now()).is_empty());

    fs::remove_file(folder.file("scheduler.crt")).unwrap();
    assert_eq!(found(&folder, now()).len(), 1);
}

#[test]
fn a_ca_that_is_being_replaced_is_said_to_be() {
    let (_directory, folder) = made();
    let mut wish = Wish {
        authority: true,
        ..Wish::default()
    };
    let mut underway = Vec::new();
    for _ in 0..3 {
        let state = folder.read().unwrap();
        let step = plan(&state, wish, now()).unwrap();
        take(&step, &folder, &state, &subjects(), lives(), now()).unwrap();
        let report = report(&folder.read().unwrap(), days(30), now());
        assert!(report.findings.is_empty(), "{report}");
        underway.push(report.underway.is_some_and(|it| it.contains("--done")));
        wish = Wish {
            done: true,
            ..Wish::default()
        };
    }
    assert_eq!(underway, [true, true, false]);
}
