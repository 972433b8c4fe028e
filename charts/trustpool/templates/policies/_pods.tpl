{{- /* What two policies of pods have in common: a match condition does not see the namespace. */}}
{{- define "trustpool.require" }}
  variables:
  - name: rule
    expression: >-
      namespaceObject.metadata.name in ["kube-system", "{{ .Release.Namespace }}"] ? ""
      : namespaceObject.metadata.?labels[?"trustpool.dev/require"].orValue("")
  - name: says
    expression: >-
      [object.metadata.?annotations[?"trustpool.dev/require"],
       object.metadata.?labels[?"trustpool.dev/require"],
       object.spec.?nodeSelector[?"trustpool.dev.node-restriction.kubernetes.io/trust"]]
  - name: asks
    expression: variables.rule == "trusted" || optional.of("trusted") in variables.says
  - name: audits
    expression: >-
      variables.says == [optional.none(), optional.none(), optional.none()] && variables.rule == "audit"
      || variables.says == [optional.of("audit"), optional.none(), optional.none()]
  - name: pool
    expression: >-
      namespaceObject.metadata.?labels[?"trustpool.dev/pool"]
      .or(object.metadata.?annotations[?"trustpool.dev/pool"])
      .or(object.metadata.?labels[?"trustpool.dev/pool"])
      .or(object.spec.?nodeSelector[?"trustpool.dev.node-restriction.kubernetes.io/pool"])
      .orValue("")
  # A name that no pool can have is left for pods.trustpool.dev to refuse in our words.
  - name: pinned
    expression: >-
      variables.pool.matches("^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$")
  - name: annotation
    expression: object.metadata.?annotations[?"trustpool.dev/require"].orValue("audit")
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      # Only what is missing, and in the annotation `trusted` for `audit`: anything else that a pod says stays, to be
      # refused. No label is changed: a controller may select its pods by it, and would make others without end.
      expression: >-
        !variables.asks && !variables.audits ? [] :
        (has(object.metadata.labels) ? []
          : [JSONPatch{op: "add", path: "/metadata/labels", value: {}}])
        + (variables.asks ? [] : [JSONPatch{
            op: "add",
            path: "/metadata/labels/" + jsonpatch.escapeKey("trustpool.dev/require"),
            value: "audit"}])
        + (!variables.asks || has(object.metadata.annotations) ? []
          : [JSONPatch{op: "add", path: "/metadata/annotations", value: {}}])
        + (!variables.asks || has(object.spec.nodeSelector) ? []
          : [JSONPatch{op: "add", path: "/spec/nodeSelector", value: {}}])
        + (!variables.asks || variables.annotation != "audit" ? [] : [JSONPatch{
            op: "add",
            path: "/metadata/annotations/" + jsonpatch.escapeKey("trustpool.dev/require"),
            value: "trusted"}])
        + (!variables.asks || "trustpool.dev/require" in object.metadata.?labels.orValue({}) ? [] : [JSONPatch{
            op: "add",
            path: "/metadata/labels/" + jsonpatch.escapeKey("trustpool.dev/require"),
            value: "trusted"}])
        + (!variables.asks || "trustpool.dev.node-restriction.kubernetes.io/trust" in object.spec.?nodeSelector.orValue({})
          ? [] : [JSONPatch{
            op: "add",
            path: "/spec/nodeSelector/"
              + jsonpatch.escapeKey("trustpool.dev.node-restriction.kubernetes.io/trust"),
            value: "trusted"}])
        + (!variables.asks || !variables.pinned || "trustpool.dev/pool" in object.metadata.?annotations.orValue({})
          ? [] : [JSONPatch{
            op: "add",
            path: "/metadata/annotations/" + jsonpatch.escapeKey("trustpool.dev/pool"),
            value: variables.pool}])
        + (!variables.asks || !variables.pinned
          || "trustpool.dev.node-restriction.kubernetes.io/pool" in object.spec.?nodeSelector.orValue({})
          ? [] : [JSONPatch{
            op: "add",
            path: "/spec/nodeSelector/"
              + jsonpatch.escapeKey("trustpool.dev.node-restriction.kubernetes.io/pool"),
            value: variables.pool}])
{{- end }}
{{- define "trustpool.route" }}
  variables:
  - name: routed
    expression: >-
      (object.spec.containers + object.spec.?initContainers.orValue([])).exists(each,
        "trustpool.dev/trust" in each.?resources.limits.orValue({})
        || "trustpool.dev/trust" in each.?resources.requests.orValue({}))
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        variables.routed || size(object.spec.containers) == 0 ? [] :
        (object.spec.containers[0].?resources.hasValue() ? []
          : [JSONPatch{op: "add", path: "/spec/containers/0/resources", value: {}}])
        + (object.spec.containers[0].?resources.limits.hasValue() ? []
          : [JSONPatch{op: "add", path: "/spec/containers/0/resources/limits", value: {}}])
        + (object.spec.containers[0].?resources.requests.hasValue() ? []
          : [JSONPatch{op: "add", path: "/spec/containers/0/resources/requests", value: {}}])
        + ["limits", "requests"].map(list, JSONPatch{
            op: "add",
            path: "/spec/containers/0/resources/" + list + "/" + jsonpatch.escapeKey("trustpool.dev/trust"),
            value: "0"})
{{- end }}
