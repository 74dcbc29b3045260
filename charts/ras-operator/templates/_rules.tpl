{{/*
The operator's rights. They stand in deploy/rbac, each with its reason; files/rbac is a copy that `make generate` writes and
`make check` compares. `.namespaced` leaves out what has no meaning in a Role: kinds that are in no namespace.
*/}}
{{- define "ras-operator.rules" -}}
{{- $rules := list -}}
{{- range (.root.Files.Get "files/rbac/operator.yaml" | fromYaml).rules -}}
{{- if not (and $.namespaced (has "apiextensions.k8s.io" .apiGroups)) -}}
{{- $rules = append $rules . -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}
