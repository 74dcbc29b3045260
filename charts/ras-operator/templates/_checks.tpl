{{/* What a schema cannot say. */}}
{{- define "ras-operator.checks" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) -}}
{{- fail (printf "replicas is %d while leaderElection.enabled is false, and all of them would write at once: set replicas to 1, or leave leader election on" (int .Values.replicas)) -}}
{{- end -}}
{{- if and .Values.watch.namespaces .Values.rbac.aggregate -}}
{{- fail "rbac.aggregate makes ClusterRoles, and watch.namespaces asks for none: leave one of them out" -}}
{{- end -}}
{{- if eq (int .Values.metrics.port) (int .Values.probes.port) -}}
{{- fail (printf "metrics.port and probes.port are both %d, and each needs a port of its own: change one of them" (int .Values.probes.port)) -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.networkPolicy.enabled (not (include "ras-operator.metricsFrom" . | fromYamlArray)) -}}
{{- fail "metrics.serviceMonitor.enabled asks for scrapes, and the NetworkPolicy lets nobody scrape: name Prometheus's namespace in platform.monitoring.namespace, or who may scrape in networkPolicy.metricsFrom" -}}
{{- end -}}
{{- end -}}

{{/* Who may ask for metrics: those named, or else the namespace in which the platform has its Prometheus. */}}
{{- define "ras-operator.metricsFrom" -}}
{{- $namespace := dig "monitoring" "namespace" "" (include "ras-operator.platform" . | fromYaml) -}}
{{- if .Values.networkPolicy.metricsFrom -}}
{{- toYaml .Values.networkPolicy.metricsFrom -}}
{{- else if $namespace -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ $namespace }}}
{{- else -}}
[]
{{- end -}}
{{- end -}}
