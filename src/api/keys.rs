//! Every label, annotation, taint, condition, resource and object name of ours, once; and the keys of
//! Secrets that we share with others.

/// Label of a Node: its verdict. Under `node-restriction.kubernetes.io`, because a kubelet may write
/// any other label on its own Node (NodeRestriction admission plugin).
pub const TRUST: &str = "trustpool.dev.node-restriction.kubernetes.io/trust";
/// Label of a Node: its pool.
pub const POOL: &str = "trustpool.dev.node-restriction.kubernetes.io/pool";
/// Label of a Node: its host name at the attestation service.
pub const HOST: &str = "trustpool.dev.node-restriction.kubernetes.io/host";
/// Taint of a Node that is not trusted; its value is the verdict.
pub const NOT_TRUSTED: &str = "trustpool.dev/not-trusted";
/// Taint of a Node that was not attested since it was created, with effect `NoSchedule`: a policy that an
/// administrator installs puts it there.
pub const UNATTESTED: &str = "trustpool.dev/unattested";
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
/// `ConfigMap` of our namespace that says which pools have a trusted node.
pub const POOLS: &str = "trustpool-pools";
/// Annotation of a NodeTrust: an RFC 3339 time; the node is asked about unless it was since.
pub const ATTEST: &str = "trustpool.dev/attest";
/// `ValidatingWebhookConfiguration` whose webhooks ask the bind gate.
pub const BIND_WEBHOOK: &str = "bind.trustpool.dev";
/// Secret of the CA that the bind gate's certificate is of; its type is `Opaque`. [`TLS_AUTHORITIES`] in it
/// is that CA, then those before it that somebody may still use.
pub const CA_SECRET: &str = "trustpool-ca";
/// Secret of the bind gate's certificate; its type is `kubernetes.io/tls`. [`TLS_AUTHORITIES`] in it is the
/// CA that it is of.
pub const GATE_SECRET: &str = "trustpool-gate-tls";
/// Lease that the process holds which attests and marks.
pub const LEASE: &str = "trustpool-controller";
/// Key of a Secret: certificates of CAs, PEM.
pub const TLS_AUTHORITIES: &str = "ca.crt";
/// Key of a Secret: a certificate, PEM.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// Key of a Secret: a private key, PEM.
pub const TLS_KEY: &str = "tls.key";
/// Annotation of the webhook configuration of the bind gate: who sees to its `caBundle`.
pub const CA_BUNDLE: &str = "trustpool.dev/ca-bundle";
/// Value of [`CA_BUNDLE`]: an administrator, or a tool of theirs. Trustpool then makes no certificates.
pub const CA_BUNDLE_GIVEN: &str = "given";
