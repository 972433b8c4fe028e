{{- /* What a gate's pod is, as Deployment and as DaemonSet; takes the root. */}}
{{- define "trustpool.gatePod" }}
{{- $host := .Values.extender.enabled }}
{{- $brought := eq .Values.certificates.source "secret" }}
{{- include "trustpool.podMetadata" (dict "root" . "workload" .Values.gate "component" "gate") | trim | nindent 0 }}
spec:
  serviceAccountName: trustpool-gate
  automountServiceAccountToken: true
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if $host }}
  # Where each kube-scheduler asks: on its own machine.
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  # Longer than the wait before it is told to stop, and what requests may take after that.
  terminationGracePeriodSeconds: 30
  {{- with include "trustpool.pullSecrets" . | trim }}
  {{- nindent 2 . }}
  {{- end }}
  {{- include "trustpool.podSecurity" . | trim | nindent 2 }}
  {{- if $host }}
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
        - matchExpressions:
          - {key: node-role.kubernetes.io/control-plane, operator: Exists}
  # As the static pod of kube-scheduler does.
  tolerations:
  - {operator: Exists}
  {{- else }}
  {{- with .Values.gate.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.gate.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  tolerations:
    {{- toYaml .Values.gate.tolerations | nindent 4 }}
  {{- include "trustpool.spread" (dict "workload" .Values.gate "component" "gate") | trim | nindent 2 }}
  {{- end }}
  containers:
  - name: gate
    image: {{ include "trustpool.image" (dict "root" . "image" .Values.image) }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
    - gate
    {{- include "trustpool.flags" . | trim | nindent 4 }}
    - --bind-listen={{ .Values.listenAddress }}:9471
    {{- if $host }}
    - --admin-listen={{ .Values.extender.adminAddress }}:9472
    - --admin-socket=/run/trustpool/admin.sock
    - --extender-listen=127.0.0.1:9470
    - --extender-tls-cert=/etc/trustpool/extender/tls.crt
    - --extender-tls-key=/etc/trustpool/extender/tls.key
    - --extender-client-ca=/etc/trustpool/extender/ca.crt
    - --extender-client-name={{ .Values.extender.clientName }}
    {{- else }}
    - --admin-listen={{ .Values.listenAddress }}:9472
    {{- end }}
    {{- if $brought }}
    - --bind-tls-cert=/etc/trustpool/bind/tls.crt
    - --bind-tls-key=/etc/trustpool/bind/tls.key
    {{- end }}
    {{- with .Values.gate.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if $host }}
    # No ports are declared: on the host's network they would be the host's, and the gate that follows this one could
    # not start beside it.
    {{- else }}
    ports:
    - {name: bind, containerPort: 9471}
    - {name: admin, containerPort: 9472}
    {{- end }}
    {{- include "trustpool.probes" $host | trim | nindent 4 }}
    # Until nobody is sent here any more.
    lifecycle: {preStop: {sleep: {seconds: 5}}}
    resources:
      {{- toYaml .Values.gate.resources | nindent 6 }}
    {{- include "trustpool.confined" . | trim | nindent 4 }}
    {{- if or $host $brought }}
    volumeMounts:
    {{- if $host }}
    - {name: extender, mountPath: /etc/trustpool/extender, readOnly: true}
    - {name: run, mountPath: /run/trustpool}
    {{- end }}
    {{- if $brought }}
    - {name: bind, mountPath: /etc/trustpool/bind, readOnly: true}
    {{- end }}
  # Its account's group may read them (0440).
  volumes:
  {{- if $host }}
  - name: extender
    secret: {secretName: {{ .Values.extender.tlsSecret }}, defaultMode: 288}
  - name: run
    emptyDir: {medium: Memory, sizeLimit: 1Mi}
  {{- end }}
  {{- if $brought }}
  - name: bind
    secret: {secretName: {{ .Values.certificates.secret.name }}, defaultMode: 288}
  {{- end }}
  {{- end }}
{{- end }}
