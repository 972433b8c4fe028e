{{- /* Whether Prometheus can reach the filter's metrics: `true` or nothing. On the host's network they are on loopback,
unless the address was set or whoever asks has to say who it is. */}}
{{- define "trustpool.extenderMeasured" }}
{{- if and .Values.extender.enabled (or .Values.metrics.authenticated.enabled (ne .Values.extender.adminAddress "127.0.0.1")) }}true{{ end }}
{{- end }}
{{- /* Components whose admin port can be reached, separated by commas. */}}
{{- define "trustpool.measured" }}
{{- $all := list "controller" "gate" }}
{{- if include "trustpool.extenderMeasured" . }}{{ $all = append $all "extender" }}{{ end }}
{{- join "," $all }}
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
