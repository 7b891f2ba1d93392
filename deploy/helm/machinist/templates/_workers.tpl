{{/* The worker sets, each with the defaults filled in, as a JSON array.
The function `merge` is not used, because it takes false, 0 and "" for absent values. */}}
{{- define "machinist.workers" -}}
{{- $sets := list -}}
{{- range .Values.workers -}}
{{- $set := deepCopy $.Values.workerDefaults -}}
{{- range $key, $value := . -}}
{{- $default := index $set $key -}}
{{- if and (kindIs "map" $value) (kindIs "map" $default) -}}
{{- range $inner, $innerValue := $value }}{{ $_ := set $default $inner $innerValue }}{{ end -}}
{{- else -}}
{{- $_ := set $set $key $value -}}
{{- end -}}
{{- end -}}
{{- if not $set.providerName }}{{ $_ := set $set "providerName" $set.platform }}{{ end -}}
{{- $sets = append $sets $set -}}
{{- end -}}
{{- $sets | toJson -}}
{{- end -}}

{{/* The providers that the gateway expects, separated by commas. */}}
{{- define "machinist.providers" -}}
{{- $names := .Values.gateway.providers -}}
{{- range include "machinist.workers" . | fromJsonArray }}{{ $names = append $names .providerName }}{{ end -}}
{{- $names | uniq | join "," -}}
{{- end -}}
