//! `NodeTrust`: what is known of one node, and what administrators say about it. One per node, named
//! like it, and the record that every replica decides from.
//!
//! A status with a word that this version does not know, such as a later version's reason, is not
//! read at all: taken for nothing it would be forgotten, and with it a hold or an `untrusted`.

mod convert;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Outcome, Reason, Verdict};

use super::rule::Rule;

const HOST: Rule = Rule::new(
    "self.matches('^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?[.]?$')",
    "must be the name of a host at the attestation service: letters, digits and . _ : -",
);
/// As `status.hold.since` is spelled, which it must equal; and nothing that jiff could not read.
const WHOLE_SECOND: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$";
const SAY_WHY: Rule = Rule::new(
    "self.trim().size() > 0",
    "say why the node is distrusted: whoever finds it so will want to know",
);

/// What administrators say about one node. Nothing of it is needed.
#[derive(
    Clone, CustomResource, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize,
)]
#[kube(
    category = "trust",
    derive = "PartialEq",
    doc = "What is known of the node of the same name, and what administrators say about it.",
    group = "trustpool.dev",
    kind = "NodeTrust",
    plural = "nodetrusts",
    printcolumn = r#"{"name":"Pool","type":"string","jsonPath":".status.pool"}"#,
    printcolumn = r#"{"name":"Verdict","type":"string","jsonPath":".status.verdict"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.reason"}"#,
    printcolumn = r#"{"name":"Verdict Age","type":"date","jsonPath":".status.requestedAt"}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".status.expiresAt"}"#,
    printcolumn = r#"{"name":"Host","type":"string","jsonPath":".status.host","priority":1}"#,
    printcolumn = r#"{"name":"Service","type":"string","jsonPath":".status.service","priority":1}"#,
    printcolumn = r#"{"name":"Hold","type":"string","jsonPath":".status.hold.reason","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp","priority":1}"#,
    shortname = "nt",
    status = "NodeTrustStatus",
    version = "v1alpha1"
)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrustSpec {
    /// The host's name at the attestation service, where it is not the node's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = HOST)]
    pub host: Option<String>,
    /// Makes the node untrusted, whatever the service says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distrust: Option<Distrust>,
    /// Lifts the hold whose status.hold.since is this time, and no later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = WHOLE_SECOND))]
    pub accept: Option<Time>,
    /// Withholds questions about the node and changes of it.
    #[serde(default)]
    pub paused: bool,
}

/// An administrator's no.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distrust {
    /// Why.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = SAY_WHY)]
    pub reason: String,
}

/// What is known of the node. Written by Trustpool alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrustStatus {
    /// Which term of which leader wrote this: the Lease trustpool-controller counts them. It never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_147_483_647))]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self >= oldSelf",
        "message": "a later leader has written this record since",
    }]))]
    pub epoch: Option<u32>,
    /// The TrustPool that the node is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub pool: Option<String>,
    /// The AttestationService that judges it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub service: Option<String>,
    /// The name under which the service knows the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub host: Option<String>,
    /// What the node has: trusted, untrusted or unknown.
    #[schemars(extend("type" = "string", "enum" = ["trusted", "unknown", "untrusted"]))]
    #[schemars(with = "String")]
    pub verdict: Verdict,
    /// Why, in a word.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = "^[A-Z][A-Za-z]*$")
    )]
    pub reason: Reason,
    /// Why, in a sentence, and what to do about it.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// What the verdict is about. A change of any part makes it void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<IncarnationStatus>,
    /// When this incarnation was first seen. Only questions sent later count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation_seen_at: Option<Time>,
    /// When the node became Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_since: Option<Time>,
    /// When the question was sent that gave the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// When the service says that it attested, or answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_at: Option<Time>,
    /// When the verdict stops counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// While untrusted: trusted answers in a row. While trusted: silent rounds in a row.
    #[serde(default)]
    pub streak: u32,
    /// What keeps the node from being trusted until spec.accept names its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// The last question and what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<AttemptStatus>,
    /// Attested: the service calls the host trusted, and that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// One boot of one machine under one Node object, as one service knows it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct IncarnationStatus {
    /// Where the service is.
    #[schemars(length(max = 4096))]
    pub url: String,
    /// The name under which the service knows the node.
    #[schemars(length(max = 253))]
    pub host: String,
    /// The Node's metadata.uid.
    #[schemars(length(max = 253))]
    pub uid: String,
    /// The kubelet's bootID.
    #[serde(rename = "bootID")]
    #[schemars(length(max = 1024))]
    pub boot_id: String,
    /// The kubelet's machineID.
    #[serde(rename = "machineID")]
    #[schemars(length(max = 1024))]
    pub machine_id: String,
    /// The kubelet's systemUUID.
    #[serde(rename = "systemUUID")]
    #[schemars(length(max = 1024))]
    pub system_uuid: String,
}

/// What keeps the node from being trusted.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct HoldStatus {
    /// What happened.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = "^[A-Z][A-Za-z]*$")
    )]
    pub reason: Reason,
    /// When. Setting spec.accept to this time lifts the hold.
    pub since: Time,
}

/// The last question about the node.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AttemptStatus {
    /// When the last question with a verdict was sent; without one, since when the outcome has been this.
    pub at: Time,
    /// What came of it.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = "^[A-Z][A-Za-z]*$")
    )]
    pub outcome: Outcome,
}
