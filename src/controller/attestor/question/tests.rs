//! What requests tell about their service.

use super::*;
use crate::controller::fixture::at;

fn failed(lane: Lane, status: u16) -> Asked {
    let error = Error::Status {
        url: "https://oat".to_owned(),
        status,
    };
    Asked {
        batch: Batch {
            service: "oat".into(),
            items: Vec::new(),
            lane,
            halvings: 0,
        },
        about: Vec::new(),
        requested_at: at(0),
        took: std::time::Duration::ZERO,
        reply: Err(error),
    }
}

#[test]
fn a_host_that_makes_its_own_requests_fail_is_not_the_services_failure_while_others_are_answered() {
    let (about_a_host, refused) = (500, 401);
    let lately = LATELY.as_secs();
    let table = [
        (Lane::Slow, about_a_host, lately - 1, 0),
        (Lane::Slow, about_a_host, lately, 1),
        (Lane::Slow, refused, 1, 1),
        (Lane::Fast, about_a_host, 1, 1),
    ];
    for (lane, status, second, failures) in table {
        let mut health = ServiceHealth {
            last_success: Some(at(0)),
            ..ServiceHealth::default()
        };

        health.note(&failed(lane, status), at(second));

        assert_eq!(
            health.failures, failures,
            "{lane:?} {status} after {second} s"
        );
        assert_eq!(health.last_error.is_some(), failures > 0);
    }
}

#[test]
fn while_a_service_fails_its_status_says_what_the_last_request_gave() {
    let mut health = ServiceHealth {
        last_success: Some(at(0)),
        failures: 1,
        last_error: Some("before".to_owned()),
    };

    health.note(&failed(Lane::Slow, 500), at(1));

    assert_eq!(health.failures, 2);
    assert_ne!(health.last_error.as_deref(), Some("before"));
}

#[test]
fn a_service_that_never_answered_fails_whoever_is_asked_about() {
    let mut health = ServiceHealth::default();

    health.note(&failed(Lane::Slow, 500), at(1));

    assert_eq!(health.failures, 1);
}
