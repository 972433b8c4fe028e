{{- /* Labels that an object carries, as lines of `labels`: those of Helm, and those that were asked for. */}}
{{- define "trustpool.labelLines" }}
{{- if .Values.helmLabels }}
    helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
    app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- with .Values.commonLabels }}
{{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "trustpool.labels" }}
{{- with include "trustpool.labelLines" . }}
  labels:
{{- . }}
{{- end }}
{{- end }}

{{- /* Whether the API server has mutating admission policies: `true` or nothing. */}}
{{- define "trustpool.mutating" }}
{{- if eq .Values.policies.mutating "auto" }}
{{- if semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- else if eq .Values.policies.mutating "on" }}true
{{- end }}
{{- end }}

{{- /* What a watch takes: the verb `watch` alone, since it begins with what there is (a streaming list). Below Kubernetes
1.34, where the API server has none by default, what there is has to be listed first. */}}
{{- define "trustpool.watch" }}
{{- if semverCompare "<1.34.0-0" .Capabilities.KubeVersion.Version }}list, {{ end }}watch
{{- end }}

{{- /* The CAs of a certificate that was brought. Otherwise Trustpool or cert-manager writes them, and not this. */}}
{{- define "trustpool.caBundle" }}
{{- if eq .Values.certificates.source "secret" }}
    caBundle: {{ .Values.certificates.secret.caBundle | b64enc }}
{{- end }}
{{- end }}

{{- /* An image by its name; takes the root and one of its image settings. */}}
{{- define "trustpool.image" }}
{{- $registry := .image.registry | default .root.Values.global.imageRegistry }}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- with .image.digest }}@{{ . }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "trustpool.pullSecrets" }}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{- /* What every container of ours may not do. */}}
{{- define "trustpool.confined" }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
{{- end }}

{{- define "trustpool.podSecurity" }}
securityContext:
  fsGroup: 65532
  runAsGroup: 65532
  runAsNonRoot: true
  runAsUser: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Flags of every role; takes the root. */}}
{{- define "trustpool.flags" }}
- --namespace={{ .Release.Namespace }}
- --log-format={{ .Values.log.format }}
{{- with .Values.log.filter }}
- --log={{ . }}
{{- end }}
- --drain=10s
{{- end }}

{{- /* Probes; takes whether the pod is on the host's network. There two gates share their ports while one takes over
from the other, so each is asked on a socket of its own. */}}
{{- define "trustpool.probes" }}
livenessProbe:
  {{- if . }}
  exec: {command: [/trustpool, probe, --admin-socket=/run/trustpool/admin.sock, /livez]}
  {{- else }}
  httpGet: {path: /livez, port: 9472}
  {{- end }}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  {{- if . }}
  exec: {command: [/trustpool, probe, --admin-socket=/run/trustpool/admin.sock, /readyz]}
  {{- else }}
  httpGet: {path: /readyz, port: 9472}
  {{- end }}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end }}

{{- /* Each on a node and in a zone of its own, as far as there are; takes a workload's settings and its name. */}}
{{- define "trustpool.spread" }}
topologySpreadConstraints:
- topologyKey: kubernetes.io/hostname
  maxSkew: 1
  whenUnsatisfiable: {{ .workload.spread }}
  nodeTaintsPolicy: Honor
  labelSelector:
    matchLabels: {app.kubernetes.io/name: trustpool, app.kubernetes.io/component: {{ .component }}}
  matchLabelKeys: [pod-template-hash]
- topologyKey: topology.kubernetes.io/zone
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {app.kubernetes.io/name: trustpool, app.kubernetes.io/component: {{ .component }}}
  matchLabelKeys: [pod-template-hash]
{{- end }}

{{- /* Labels and annotations of a pod; takes the root, a workload's settings and its name. */}}
{{- define "trustpool.podMetadata" }}
metadata:
  labels:
    app.kubernetes.io/name: trustpool
    app.kubernetes.io/component: {{ .component }}
    {{- with mergeOverwrite (dict) .root.Values.commonLabels .workload.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .workload.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
