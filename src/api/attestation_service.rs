//! `AttestationService`: how to reach one service, and nothing about nodes.

mod connection;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::rule::Rule;

pub use connection::{Auth, Connection, Deadlines};

const ONE_KIND: Rule = Rule::new(
    "has(self.openAttestation)",
    "give openAttestation: the kind of service to reach",
);
const HTTPS: Rule = Rule::new(
    "isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",
    "must be an https URL such as https://oat.example.org:8443",
);
const BASE_ONLY: Rule = Rule::new(
    "self.matches('^[^/?#@]*//[^/?#@]+/?$')",
    "must be scheme, host and port alone: a path goes into path, credentials into auth",
);
const PATH: Rule = Rule::new(
    "self.matches('^(/[A-Za-z0-9_~%-][A-Za-z0-9._~%-]*)+/?$')",
    "must begin with / and hold plain segments alone, such as /AttestationService/resources",
);
const HEADER: Rule = Rule::new(
    "self.matches('^[A-Za-z0-9_-]+$')",
    "must be the name of a header: letters, digits, - and _",
);
const HEADER_TAKEN: Rule = Rule::new(
    "!(self.lowerAscii() in ['accept', 'accept-encoding', 'connection', 'content-encoding', \
     'content-length', 'content-type', 'expect', 'host', 'keep-alive', 'te', 'trailer', \
     'transfer-encoding', 'upgrade', 'user-agent'])",
    "is a header that Trustpool or HTTP itself sets: name another one, such as x-auth-blob",
);
const OBJECT_NAME: Rule = Rule::new(
    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "must be the name of a Secret or ConfigMap: lower-case letters, digits, - and .",
);
const DATA_KEY: Rule = Rule::new(
    "self.matches('^[-._A-Za-z0-9]+$')",
    "must be a key of a Secret or ConfigMap: letters, digits, -, _ and .",
);
const TRUST_ANCHOR: Rule = Rule::new(
    "has(self.caRef)",
    "give caRef: the CA that signed the service's certificate",
);
const SKEW: Rule = Rule::new(
    "duration(self) <= duration('10m')",
    "must be at most 10m: an answer as old as that counts as fresh",
);
const CONNECT: Rule = Rule::new(
    "duration(self) >= duration('100ms')",
    "must be at least 100ms",
);
const TOTAL: Rule = Rule::new("duration(self) <= duration('1h')", "must be at most 1h");
const DEADLINES: Rule = Rule::new(
    "duration(self.connect) <= duration(self.read) && duration(self.read) <= duration(self.total)",
    "connect must not be longer than read, nor read longer than total",
);

/// How to reach one attestation service.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[kube(
    category = "trust",
    derive = "PartialEq",
    doc = "How to reach one attestation service: the judge of the nodes of every TrustPool that names it.",
    group = "trustpool.dev",
    kind = "AttestationService",
    plural = "attestationservices",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"URL","type":"string","jsonPath":".spec.openAttestation.url"}"#,
    printcolumn = r#"{"name":"Last Success","type":"date","jsonPath":".status.lastSuccess"}"#,
    printcolumn = r#"{"name":"Failures","type":"integer","jsonPath":".status.consecutiveFailures"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Dialect","type":"string","jsonPath":".status.observedDialect","priority":1}"#,
    printcolumn = r#"{"name":"Last Error","type":"string","jsonPath":".status.lastError","priority":1}"#,
    shortname = "ats",
    status = "AttestationServiceStatus",
    version = "v1alpha1"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ONE_KIND)]
pub struct AttestationServiceSpec {
    /// An OpenAttestation service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_attestation: Option<OpenAttestation>,
    /// How long Trustpool waits for the service.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How many hosts one request asks about.
    #[serde(default)]
    pub batch: Batch,
}

/// An OpenAttestation service.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenAttestation {
    /// Where the service is: https, host and port, and nothing else.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = HTTPS, validation = BASE_ONLY)]
    pub url: String,
    /// Where the service keeps its resources.
    #[serde(default = "path")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = PATH)]
    pub path: String,
    /// What the service speaks. V2 is OpenAttestation 2.0 and later.
    #[serde(default)]
    pub dialect: Dialect,
    /// What to prove oneself with; without it, nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSpec>,
    /// How to know the service.
    pub tls: Tls,
    /// How far the service's clock may be off. It lengthens no verdict.
    #[serde(default = "max_skew")]
    #[x_kube(validation = SKEW)]
    pub max_skew: Duration,
}

/// What an OpenAttestation service speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Dialect {
    /// OpenAttestation 2.0 and later.
    #[default]
    V2,
}

/// A header with a secret value.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthSpec {
    /// The header that carries the value.
    #[serde(default = "header")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = HEADER, validation = HEADER_TAKEN)]
    pub header: String,
    /// The Secret that holds the value.
    pub secret_ref: SecretRef,
}

/// A key of a Secret in Trustpool's own namespace.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret. It must carry the label trustpool.dev/service with this object's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub name: String,
    /// Key in the Secret.
    #[serde(default = "auth_key")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = DATA_KEY)]
    pub key: String,
}

/// How to know the service.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = TRUST_ANCHOR)]
pub struct Tls {
    /// The CA that signed the service's certificate. No other CA is believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaRef>,
}

/// A key of a ConfigMap or Secret in Trustpool's own namespace: certificates in PEM.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaRef {
    /// What holds the certificates.
    pub kind: CaKind,
    /// Its name. It must carry the label trustpool.dev/service with this object's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = OBJECT_NAME)]
    pub name: String,
    /// Key in it.
    #[serde(default = "ca_key")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = DATA_KEY)]
    pub key: String,
}

/// What can hold certificates.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CaKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// How long to wait.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = DEADLINES)]
pub struct Timeouts {
    /// For a connection, TLS included.
    #[serde(default = "connect")]
    #[x_kube(validation = CONNECT)]
    pub connect: Duration,
    /// The longest silence, that before the first byte included. The service itself waits 50 to 60
    /// seconds for a host.
    #[serde(default = "read")]
    pub read: Duration,
    /// For one request as a whole.
    #[serde(default = "total")]
    #[x_kube(validation = TOTAL)]
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: connect(),
            read: read(),
            total: total(),
        }
    }
}

/// How many hosts one request asks about.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Hosts in the first request of a round.
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 1000))]
    pub first: u32,
    /// Hosts in every further request.
    #[serde(default = "next")]
    #[schemars(range(min = 1, max = 1000))]
    pub next: u32,
    /// Requests under way at once.
    #[serde(default = "max_in_flight")]
    #[schemars(range(min = 1, max = 64))]
    pub max_in_flight: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            first: first(),
            next: next(),
            max_in_flight: max_in_flight(),
        }
    }
}

/// How the service does.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestationServiceStatus {
    /// Ready: the service can be asked, and answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When the service last gave an answer that could be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
    /// Requests that failed since then.
    #[serde(default)]
    pub consecutive_failures: u32,
    /// What the service was found to speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_dialect: Option<Dialect>,
    /// What went wrong last, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_error: Option<String>,
    /// The metadata.generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

fn path() -> String {
    "/AttestationService/resources".to_owned()
}

const fn max_skew() -> Duration {
    Duration::from_secs(120)
}

fn header() -> String {
    "x-auth-blob".to_owned()
}

fn auth_key() -> String {
    "auth-blob".to_owned()
}

fn ca_key() -> String {
    "ca.crt".to_owned()
}

const fn connect() -> Duration {
    Duration::from_secs(5)
}

const fn read() -> Duration {
    Duration::from_secs(75)
}

const fn total() -> Duration {
    Duration::from_secs(90)
}

const fn first() -> u32 {
    10
}

const fn next() -> u32 {
    20
}

const fn max_in_flight() -> u32 {
    4
}
