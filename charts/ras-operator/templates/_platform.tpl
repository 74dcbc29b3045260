{{/* The platform's settings: what the chart knows, under the file, under what `platform` says. */}}
{{- define "ras-operator.platform" -}}
{{- $version := "ras.dev/platform/v1" -}}
{{- $file := dict -}}
{{- if .Values.platformFile -}}
{{- $file = fromYaml .Values.platformFile -}}
{{- if hasKey $file "Error" -}}
{{- fail (printf "platformFile is no YAML (%s): give the file that `terraform output -raw platform_yaml` writes, with --set-file platformFile=platform.yaml" $file.Error) -}}
{{- end -}}
{{- if ne (default $version $file.apiVersion) $version -}}
{{- fail (printf "platformFile is of the version %s, and this chart knows %s: use the Terraform modules and the chart of one release" $file.apiVersion $version) -}}
{{- end -}}
{{- end -}}
{{- $known := dict "apiVersion" $version "operatorImage" (include "ras-operator.image" .) -}}
{{- toYaml (mergeOverwrite $known $file (deepCopy .Values.platform)) -}}
{{- end -}}
