{{- /* Annotations of what the check needs and leaves nothing of; takes its place in the order. */}}
{{- define "trustpool.checkHook" }}
helm.sh/hook: post-install,post-upgrade,test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
