//! Pools, claims and identities, row by row.

use super::*;
use crate::controller::fixture::{incarnation, node, usable};

fn orders(host: Option<&str>) -> Orders {
    Orders {
        host: host.map(str::to_owned),
        ..Orders::default()
    }
}

#[test]
fn an_order_outranks_a_protected_label_and_that_outranks_the_name() {
    let setup = usable();
    let service = setup.services.get(&"oat".into());
    let plain = node("a", "b").node;
    let mut labelled = plain.clone();
    labelled
        .labels
        .insert(HOST.to_owned(), "by-label".to_owned());
    let table = [
        (&plain, None, "a", Weight::Name),
        (&labelled, None, "by-label", Weight::Label),
        (&labelled, Some("by-order"), "by-order", Weight::Order),
    ];
    for (node, host, expected, weight) in table {
        let claim = claim(node, &orders(host), service, None);

        assert_eq!((claim.host.as_str(), claim.weight), (expected, weight));
    }
}

#[test]
fn a_service_that_is_missing_makes_nobody_another_host() {
    let tracked = node("a", "b");
    let known = incarnation(&tracked);

    let claim = claim(&tracked.node, &orders(None), None, Some(&known));

    assert_eq!(claim.url, known.url);
}

#[test]
fn the_weightiest_claim_to_a_host_holds_and_of_equals_none() {
    let claim = |url: &str, host: &str, weight| Claim {
        url: url.to_owned(),
        host: host.to_owned(),
        weight,
    };
    let by_name = claim("u", "host.example", Weight::Name);
    let by_label = claim("u", "HOST.example.", Weight::Label);
    let elsewhere = claim("v", "host.example", Weight::Name);
    let table = [
        (vec![&by_name], &by_name, true),
        (vec![&by_name, &by_label], &by_label, true),
        (vec![&by_name, &by_label], &by_name, false),
        (vec![&by_label, &by_label], &by_label, false),
        (vec![&by_name, &elsewhere], &by_name, true),
    ];
    for (made, asked, holds) in table {
        let mut claims = Claims::default();
        for (number, claim) in made.iter().enumerate() {
            let name = format!("node-{number}").into();
            claims.add(&name, &Stake::from(*claim));
        }

        let asked = Stake::from(asked);
        assert_eq!(claims.holds(&asked), holds, "{asked:?} among {made:?}");
    }
}

#[test]
fn a_node_without_a_boot_or_with_a_name_that_cannot_be_sent_is_nobody() {
    let setup = usable();
    let service = setup.services.get(&"oat".into());
    let identify = |boot: &str, host: Option<&str>| {
        let node = node("a", boot).node;
        let claim = claim(&node, &orders(host), service, None);
        identity(&node, &claim, true, service)
    };

    assert_eq!(identify("", None), Err(Reason::NoBootID));
    assert_eq!(identify("b", Some("not a host")), Err(Reason::InvalidHost));
    assert_eq!(identify("b", None), Ok(incarnation(&node("a", "b"))));
}

#[test]
fn the_first_pool_keeps_a_node_and_the_others_are_told() {
    let mut setup = usable();
    let mut younger = setup.pools[0].clone();
    younger.pool.name = "younger".into();
    setup.pools.push(younger);

    let tracked = node("a", "b");
    let (keeper, others) = pools(&setup, &tracked.node);

    assert_eq!(keeper.unwrap().pool.name.as_str(), "default");
    let others: Vec<_> = others.map(|it| it.pool.name.as_str()).collect();
    assert_eq!(others, ["younger"]);
}
