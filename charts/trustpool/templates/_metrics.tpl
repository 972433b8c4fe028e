{{- /* Where metrics are. With `metrics.authenticated` on a port of their own, by TLS, for those alone who may read them. */}}
{{- define "trustpool.metricsPort" }}
{{- if .Values.metrics.authenticated.enabled }}9473{{ else }}9472{{ end }}
{{- end }}
{{- define "trustpool.metricsFlags" }}
{{- if .Values.metrics.authenticated.enabled }}
- --metrics-listen={{ .Values.listenAddress }}:9473
- --metrics-tls-cert=/etc/trustpool/metrics/tls.crt
- --metrics-tls-key=/etc/trustpool/metrics/tls.key
{{- end }}
{{- end }}
{{- define "trustpool.metricsMount" }}
{{- if .Values.metrics.authenticated.enabled }}
- {name: metrics, mountPath: /etc/trustpool/metrics, readOnly: true}
{{- end }}
{{- end }}
{{- /* Its account's group may read it (0440). A pod starts without it: what measures it must not stop it. */}}
{{- define "trustpool.metricsVolume" }}
{{- if .Values.metrics.authenticated.enabled }}
- name: metrics
  secret: {secretName: {{ .Values.metrics.authenticated.tlsSecret }}, defaultMode: 288, optional: true}
{{- end }}
{{- end }}
{{- /* How a monitor asks there. */}}
{{- define "trustpool.metricsEndpoint" }}
{{- if .Values.metrics.authenticated.enabled }}
scheme: https
authorization:
  credentials: {name: trustpool-metrics-reader, key: token}
tlsConfig:
  ca: {secret: {name: {{ .Values.metrics.authenticated.tlsSecret }}, key: ca.crt}}
  serverName: trustpool-metrics.{{ .Release.Namespace }}.svc
{{- end }}
{{- end }}
