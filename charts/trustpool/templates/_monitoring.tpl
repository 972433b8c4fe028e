{{- /* Pods whose admin port can be reached: not a gate's on the host's network, unless its address was set. */}}
{{- define "trustpool.measured" }}
app.kubernetes.io/name: trustpool
{{- if and .Values.extender.enabled (eq .Values.extender.adminAddress "127.0.0.1") }}
app.kubernetes.io/component: controller
{{- end }}
{{- end }}
{{- /* Whether gates are among them: `true` or nothing. */}}
{{- define "trustpool.gatesMeasured" }}
{{- if or (not .Values.extender.enabled) (ne .Values.extender.adminAddress "127.0.0.1") }}true{{ end }}
{{- end }}
{{- /* Where it is written what to do; takes the root and an alert. */}}
{{- define "trustpool.runbook" }}
{{- $alert := index . 1 }}
{{- with (index . 0).Values.metrics.prometheusRule.runbookUrl }}
        runbook_url: {{ . }}#{{ lower $alert }}
{{- else }}
        runbook: docs/runbook.md#{{ lower $alert }}
{{- end }}
{{- end }}
