//! What objects mean, one trouble at a time.

use serde_json::json;

use super::*;
use crate::controller::fixture::{holder, objects, pool, usable};
use crate::watch::Event;

fn again(objects: &Objects, previous: &Setup) -> Setup {
    setup(objects, previous, &Clock::system())
}

fn provider(setup: &Setup) -> Result<&Arc<dyn Provider>, &Trouble> {
    setup.services[&ServiceName::from("oat")].provider.as_ref()
}

fn trouble<'a>(setup: &'a Setup, pool: &str) -> Option<&'a Trouble> {
    setup.pool_states[pool].trouble.as_ref()
}

fn put_secret(objects: &mut Objects, version: &str, label: &str, data: &serde_json::Value) {
    let secret = serde_json::from_value(holder(version, label, data)).unwrap();
    let applied = Event::Applied(("oat".to_owned(), secret));
    objects.secrets.follow(applied);
}

#[test]
fn what_is_there_can_be_used_and_nothing_is_complete_before_all_was_listed() {
    let setup = usable();

    assert!(setup.complete);
    assert!(provider(&setup).is_ok());
    assert_eq!(setup.pools.len(), 1);
    assert_eq!(trouble(&setup, "default"), None);
    assert!(!again(&Objects::default(), &setup).complete);
}

#[test]
fn what_a_service_refers_to_must_be_there_labelled_for_it_and_have_the_key() {
    let blob = json!({"auth-blob": "YQ=="});
    let table = [
        ("other", &blob, "trustpool.dev/service: oat"),
        ("", &blob, "trustpool.dev/service: oat"),
        ("oat", &json!({"else": "YQ=="}), "no key `auth-blob`"),
    ];
    for (label, data, words) in table {
        let mut objects = objects();
        put_secret(&mut objects, "2", label, data);

        let setup = again(&objects, &Setup::default());

        let trouble = provider(&setup).unwrap_err();
        assert_eq!(trouble.reason, "ReferenceMissing");
        assert!(trouble.message.contains(words), "{}", trouble.message);
    }
}

#[test]
fn certificates_that_cannot_be_read_are_named_by_where_they_are() {
    let mut objects = objects();
    let map = holder("2", "oat", &json!({"ca.crt": "rubbish"}));
    let map = serde_json::from_value(map).unwrap();
    let applied = Event::Applied(("oat".to_owned(), map));
    objects.config_maps.follow(applied);

    let setup = again(&objects, &Setup::default());

    let trouble = provider(&setup).unwrap_err();
    let place = "key `ca.crt` of ConfigMap `oat`: ";
    assert!(trouble.message.starts_with(place), "{}", trouble.message);
}

#[test]
fn a_provider_is_kept_with_its_connections_until_its_secret_changes() {
    let mut objects = objects();
    let first = again(&objects, &Setup::default());
    let second = again(&objects, &first);
    put_secret(&mut objects, "2", "oat", &json!({"auth-blob": "Yg=="}));
    let third = again(&objects, &second);

    let of = |setup| Arc::clone(provider(setup).unwrap());
    assert!(Arc::ptr_eq(&of(&first), &of(&second)));
    assert!(!Arc::ptr_eq(&of(&second), &of(&third)));
}

#[test]
fn a_pool_that_goes_bad_keeps_what_it_was_and_one_that_never_was_good_is_unreadable() {
    let mut objects = objects();
    let first = again(&objects, &Setup::default());
    let bad = || pool("default", &json!({"validity": "soon"}));
    let applied = |name: &str| Event::Applied((name.to_owned(), bad()));
    objects.pools.follow(applied("default"));

    let kept = again(&objects, &first);
    let fresh = again(&objects, &Setup::default());

    assert_eq!(kept.pools[0].pool, first.pools[0].pool);
    assert!(kept.unreadable.is_empty());
    assert_eq!(fresh.unreadable, ["default".into()]);
    for setup in [kept, fresh] {
        let trouble = trouble(&setup, "default").unwrap();
        assert_eq!(trouble.reason, "InvalidSpec");
        assert!(
            trouble.message.contains("spec.validity"),
            "{}",
            trouble.message
        );
    }
}

#[test]
fn the_older_pool_comes_first_and_a_service_that_is_missing_is_named() {
    let mut objects = objects();
    let mut older = pool("older", &json!({"attestationServiceRef": {"name": "none"}}));
    let created = serde_json::from_value(json!("2025-01-01T00:00:00Z")).unwrap();
    older.metadata.creation_timestamp = Some(created);
    objects
        .pools
        .follow(Event::Applied(("older".to_owned(), older)));

    let setup = again(&objects, &Setup::default());

    let names: Vec<_> = setup.pools.iter().map(|it| it.pool.name.as_str()).collect();
    assert_eq!(names, ["older", "default"]);
    assert_eq!(trouble(&setup, "older").unwrap().reason, "ServiceMissing");
    assert_eq!(trouble(&setup, "default"), None);
}
