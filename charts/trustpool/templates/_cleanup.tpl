{{- /* Annotations of what cleans up after the release is gone; takes its place in the order. */}}
{{- define "trustpool.cleanupHook" }}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
