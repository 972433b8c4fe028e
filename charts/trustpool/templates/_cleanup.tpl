{{- /* Annotations of what cleans up after the release is gone; takes its place in the order. */}}
{{- define "trustpool.cleanupHook" }}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* Which Secrets were Trustpool's own. One of its CA may be left of a time when the certificates were; nothing where
it is the name of a Secret that was brought. */}}
{{- define "trustpool.cleanupSecrets" }}
{{- if eq .Values.certificates.source "own" }}all
{{- else if ne .Values.certificates.secret.name "trustpool-ca" }}authority
{{- end }}
{{- end }}
