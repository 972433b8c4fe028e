//! What the chart asks cert-manager for is what the extender, its kube-scheduler and whoever copies files expect.

use serde_json::json;
use trustpool::pki::Subjects;

use super::render::{Document, file, rendered};

/// The hours in a year.
const YEAR: u32 = 8760;

async fn certificates() -> Vec<Document> {
    let values = file("setups/cert-manager.yaml");
    let mut all = rendered(&["--values", values.to_str().unwrap()]).await;
    all.retain(|it| it.kind() == "Certificate");
    all
}

fn hours(certificate: &Document, field: &str) -> u32 {
    let text = certificate.say(&format!("/spec/{field}"));
    text.strip_suffix('h').unwrap().parse().unwrap()
}

/// kube-scheduler reads its CA once, and nobody brings it a new one in time without being told to.
#[tokio::test]
async fn the_ca_keeps_its_key_and_what_it_signs_does_not_outlive_it() {
    let all = certificates().await;
    let (cas, leaves): (Vec<_>, Vec<_>) =
        all.iter().partition(|it| it.object["spec"]["isCA"] == true);
    let [ca] = cas[..] else { panic!("{cas:?}") };

    assert_eq!(ca.say("/spec/privateKey/rotationPolicy"), "Never");
    assert_eq!(hours(ca, "duration"), 10 * YEAR);
    assert_eq!(leaves.len(), 3);
    for leaf in leaves {
        let (name, policy) = (leaf.name(), leaf.say("/spec/privateKey/rotationPolicy"));
        assert_eq!(policy, "Always", "{name}");
        assert!(hours(leaf, "duration") < hours(ca, "renewBefore"), "{name}");
    }
}

#[tokio::test]
async fn the_extender_has_the_names_by_which_it_is_reached() {
    let all = certificates().await;
    let extender = all.iter().find(|it| it.name() == "trustpool-extender");
    let spec = &extender.unwrap().object["spec"];
    for name in Subjects::EVERYWHERE {
        let has = |list: &str| spec[list].as_array().unwrap().contains(&json!(name));
        assert!(has("dnsNames") || has("ipAddresses"), "{name}");
    }
    let scheduler = all.iter().find(|it| it.name() == "trustpool-scheduler");
    assert_eq!(scheduler.unwrap().say("/spec/commonName"), Subjects::CLIENT);
}
