{{- /* What every pod of ours may ask: the API server, before and after its Service's address is replaced, and DNS. */}}
{{- define "trustpool.egress" }}
- ports:
  {{- range .Values.networkPolicy.apiServerPorts }}
  - {port: {{ . }}}
  {{- end }}
- ports:
  - {port: 53, protocol: UDP}
  - {port: 53, protocol: TCP}
{{- end }}
