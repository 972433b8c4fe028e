//! Every label, annotation, taint, condition and resource name of ours, once.

/// Label of a Node: its verdict. Under `node-restriction.kubernetes.io`, because a kubelet may write
/// any other label on its own Node (NodeRestriction admission plugin).
pub const TRUST: &str = "trustpool.dev.node-restriction.kubernetes.io/trust";
/// Label of a Node: its pool.
pub const POOL: &str = "trustpool.dev.node-restriction.kubernetes.io/pool";
/// Label of a Node: its host name at the attestation service.
pub const HOST: &str = "trustpool.dev.node-restriction.kubernetes.io/host";
/// Taint of a Node that is not trusted; its value is the verdict.
pub const NOT_TRUSTED: &str = "trustpool.dev/not-trusted";
/// Condition of a Node.
pub const TRUSTED_CONDITION: &str = "trustpool.dev/Trusted";
/// Annotation and label of a pod, label of a namespace: what is required.
pub const REQUIRE: &str = "trustpool.dev/require";
/// Annotation and label of a pod, label of a namespace: the only pool that will do.
pub const REQUIRE_POOL: &str = "trustpool.dev/pool";
/// Managed resource that routes a pod to the extender.
pub const RESOURCE: &str = "trustpool.dev/trust";
/// Label of a Secret or ConfigMap: the one `AttestationService` that may use it.
pub const SERVICE: &str = "trustpool.dev/service";
/// Annotation of a NodeTrust: an RFC 3339 time; the node is asked about unless it was since.
pub const ATTEST: &str = "trustpool.dev/attest";
/// Annotation of the webhook configuration of the bind gate: who sees to its `caBundle`.
pub const CA_BUNDLE: &str = "trustpool.dev/ca-bundle";
/// Value of [`CA_BUNDLE`]: an administrator, or a tool of theirs. Trustpool then makes no certificates.
pub const CA_BUNDLE_GIVEN: &str = "given";
