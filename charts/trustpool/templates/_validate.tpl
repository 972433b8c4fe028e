{{- /* What a schema cannot say about values, each in a sentence. Renders nothing. */}}
{{- define "trustpool.validate" }}
{{- with .Values }}
{{- if not .controller.anywhere }}
{{- range $key, $_ := .controller.nodeSelector }}
{{- $prefix := first (splitList "/" $key) }}
{{- if not (or (eq $prefix "node-role.kubernetes.io") (eq $prefix "node-restriction.kubernetes.io") (hasSuffix ".node-restriction.kubernetes.io" $prefix)) }}
{{- fail (printf "controller.nodeSelector names the label `%s`, which a kubelet can give to its own node; and root on a node that runs the controller can make any node trusted. Take labels under node-role.kubernetes.io or node-restriction.kubernetes.io (an administrator writes them: kubectl label node NODE trustpool.dev.node-restriction.kubernetes.io/controller=here), or say controller.anywhere: true if you accept that" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .certificates.source "secret" }}
{{- if not .certificates.secret.name }}
{{- fail "certificates.source is `secret`, and certificates.secret.name is empty: name the Secret (kubernetes.io/tls) that holds the bind gate's certificate" }}
{{- end }}
{{- if not (contains "BEGIN CERTIFICATE" .certificates.secret.caBundle) }}
{{- fail "certificates.source is `secret`, and certificates.secret.caBundle is no certificate (PEM): without the CA that the gate's certificate is of, the API server would refuse every Binding in strict namespaces" }}
{{- end }}
{{- else if or .certificates.secret.name .certificates.secret.caBundle }}
{{- fail (printf "certificates.secret is set, and certificates.source is `%s`: say certificates.source: secret, or leave certificates.secret empty" .certificates.source) }}
{{- end }}
{{- if and .extender.enabled (ne (include "trustpool.mutating" $) "true") }}
{{- fail "extender.enabled needs mutating admission policies (Kubernetes 1.36 and later, policies.mutating): it is they that send pods to the extender" }}
{{- end }}
{{- if and .startupTaint.enabled (ne (include "trustpool.mutating" $) "true") }}
{{- fail "startupTaint.enabled needs mutating admission policies (Kubernetes 1.36 and later, policies.mutating): it is they that taint new nodes" }}
{{- end }}
{{- if and .metrics.serviceMonitor.enabled .metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both set: every pod would be measured twice. Take one" }}
{{- end }}
{{- if and .metrics.podMonitor.enabled (include "trustpool.extenderMeasured" $) }}
{{- fail "metrics.podMonitor.enabled finds pods by the ports that they declare, and the filter, on the host's network, must declare none: take metrics.serviceMonitor" }}
{{- end }}
{{- range list .commonLabels .controller.podLabels .extender.podLabels .gate.podLabels }}
{{- range $key, $_ := . }}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (hasPrefix "helm.sh/" $key) }}
{{- fail (printf "commonLabels or podLabels set `%s`, which the chart sets itself and selects by: take another key" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .extender.enabled (not (has .extender.adminAddress (list "127.0.0.1" "0.0.0.0"))) }}
{{- fail (printf "extender.adminAddress is `%s`: it must be 127.0.0.1, or 0.0.0.0 for metrics that can be had from outside" .extender.adminAddress) }}
{{- end }}
{{- end }}
{{- if has .Release.Namespace (list "default" "kube-node-lease" "kube-public" "kube-system") }}
{{- fail (printf "the namespace is %s: take one of its own, such as trustpool-system, since whoever may write Secrets there could otherwise grant trust, and nobody's pods there are ever covered" .Release.Namespace) }}
{{- end }}
{{- end }}
