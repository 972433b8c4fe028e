{{- /*
Where the controller may run: on control-plane nodes, whatever the value of their label is (kubeadm leaves it empty,
k3s writes `true`), unless other nodes are named by labels that a kubelet cannot give itself.
*/}}
{{- define "trustpool.controllerAffinity" }}
{{- $own := .Values.controller.affinity }}
{{- if or .Values.controller.nodeSelector .Values.controller.anywhere }}
{{- with $own }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: node-role.kubernetes.io/control-plane, operator: Exists}
  {{- with omit $own "nodeAffinity" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
{{- /* Which policies the chart installs, by the names that the controller has for them. */}}
{{- define "trustpool.expectedPolicies" }}
{{- $mutating := eq (include "trustpool.mutating" .) "true" }}
{{- $groups := list (ternary "mutating" "unmutated" $mutating) "validating" }}
{{- $groups = append $groups (ternary "webhook" "webhook-given" (eq .Values.certificates.source "own")) }}
{{- if .Values.extender.enabled }}{{ $groups = append $groups "extender" }}{{ end }}
{{- if .Values.startupTaint.enabled }}{{ $groups = append $groups "startup-taint" }}{{ end }}
{{- join "," $groups }}
{{- end }}
