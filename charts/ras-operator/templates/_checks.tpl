{{/* What a schema cannot say. */}}
{{- define "ras-operator.checks" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) -}}
{{- fail (printf "replicas is %d while leaderElection.enabled is false, and all of them would write at once: set replicas to 1, or leave leader election on" (int .Values.replicas)) -}}
{{- end -}}
{{- if and .Values.watch.namespaces .Values.rbac.aggregate -}}
{{- fail "rbac.aggregate makes ClusterRoles, and watch.namespaces asks for none: leave one of them out" -}}
{{- end -}}
{{- end -}}
