//! Values that make no sense are refused, with a sentence that says what to do.

use super::render::template;

/// What is said to helm, and words of its answer.
const REFUSED: [(&[&str], &str); 17] = [
    (
        &["--set", "controler.replicas=2"],
        "additional properties 'controler' not allowed",
    ),
    (
        &["--set", "gate.replica=2"],
        "additional properties 'replica' not allowed",
    ),
    (
        &["--set", "controller.replicas=0"],
        "at '/controller/replicas': minimum: got 0, want 1",
    ),
    (
        &["--set", "policies.mutating=yes"],
        "value must be one of 'auto', 'on', 'off'",
    ),
    (&["--set", "image.digest=sha256:1"], "at '/image/digest'"),
    (
        &["--set", "controller.nodeSelector.disk=ssd"],
        "controller.nodeSelector names the label `disk`, which a kubelet can give to its own node; and root on a node that \
         runs the controller can make any node trusted.",
    ),
    (
        &["--set", "certificates.source=secret"],
        "certificates.secret.name is empty: name the Secret",
    ),
    (
        &[
            "--set",
            "certificates.source=secret,certificates.secret.name=gate",
        ],
        "certificates.secret.caBundle is no certificate (PEM)",
    ),
    (
        &["--set", "certificates.secret.name=gate"],
        "say certificates.source: secret, or leave certificates.secret empty",
    ),
    (
        &["--set", "extender.enabled=true", "--kube-version", "1.35.0"],
        "extender.enabled needs mutating admission policies",
    ),
    (
        &[
            "--set",
            "metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true",
        ],
        "every pod would be measured twice",
    ),
    (
        &[
            "--set",
            "metrics.podMonitor.enabled=true,metrics.authenticated.enabled=true,extender.enabled=true",
        ],
        "the filter, on the host's network, must declare none: take metrics.serviceMonitor",
    ),
    (
        &["--set", r"commonLabels.app\.kubernetes\.io/component=x"],
        "set `app.kubernetes.io/component`, which the chart sets itself and selects by",
    ),
    (
        &["--set", r"gate.podLabels.app\.kubernetes\.io/name=x"],
        "set `app.kubernetes.io/name`, which the chart sets itself and selects by",
    ),
    (
        &["--namespace", "kube-system"],
        "the namespace is kube-system: take one of its own, such as trustpool-system",
    ),
    (
        &["--namespace", "default"],
        "the namespace is default: take one of its own",
    ),
    (
        &["--kube-version", "1.32.9"],
        "chart requires kubeVersion: >=1.33.0-0",
    ),
];

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_a_sentence() {
    for (arguments, words) in REFUSED {
        let said = template(arguments).await.expect_err(&arguments.join(" "));
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn labels_that_no_kubelet_can_write_may_select_the_controllers_nodes() {
    let by = |key: &str| format!(r"controller.nodeSelector.{}=x", key.replace('.', r"\."));
    for key in [
        "node-role.kubernetes.io/infra",
        "example.org.node-restriction.kubernetes.io/infra",
    ] {
        template(&["--set", &by(key)]).await.unwrap();
    }
    let near = by("evil-node-restriction.kubernetes.io/infra");
    template(&["--set", &near]).await.unwrap_err();
    template(&["--set", &near, "--set", "controller.anywhere=true"])
        .await
        .unwrap();
}

#[tokio::test]
async fn the_linter_has_no_complaint() {
    let mut command = trustpool_harness::helm::helm_command().await.unwrap();
    command
        .args(["lint", "--strict"])
        .arg(trustpool_harness::helm::chart());
    let output = command.output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
