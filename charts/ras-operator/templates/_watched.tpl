{{/* The namespaces whose drives the release looks after, for a binding of a policy. None: all of them. */}}
{{- define "ras-operator.watched" -}}
{{- with .Values.watch.namespaces -}}
matchResources:
  namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values:
          {{- toYaml . | nindent 10 }}
{{- end -}}
{{- end -}}
