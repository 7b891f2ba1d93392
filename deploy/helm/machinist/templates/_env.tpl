{{/* A number or a text as the text of a variable: numbers of YAML files are floating point. */}}
{{- define "machinist.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ printf "%d" (int64 .) }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}

{{/* Variables as a list of env: a map from names to texts, or to a valueFrom. Empty texts are left out. */}}
{{- define "machinist.env" -}}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
- name: {{ $name }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
{{- else if ne (include "machinist.text" $value) "" }}
- name: {{ $name }}
  value: {{ include "machinist.text" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* All variables of a container: dict "own" (set by the chart), "env" (of the user) and "path". */}}
{{- define "machinist.allEnv" -}}
{{- range $name, $_ := .env }}
{{- if hasKey $.own $name }}
{{- fail (printf "%s.%s: the chart sets this variable itself; README.md names the value for it" $.path $name) }}
{{- end }}
{{- end }}
{{- include "machinist.env" .own }}
{{- include "machinist.env" .env }}
{{- end -}}

{{/* Variables of gateway and worker alike, as a JSON object. */}}
{{- define "machinist.commonEnv" -}}
{{- $env := dict
  "PLT_LOGGER_LEVEL" .Values.log.level
  "PLT_LOG_FORMAT" .Values.log.format
  "PLT_METRICS_HOST" .Values.listenAddress
  "PLT_METRICS_PORT" "9090"
  "TMPDIR" "/tmp"
-}}
{{- if .Values.seal.enabled }}{{ $_ := set $env "PLT_SEAL_KEY_FILE" "/etc/machinist/seal/seal-key" }}{{ end -}}
{{- with .Values.tracing.endpoint }}{{ $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" . }}{{ end -}}
{{- $env | toJson -}}
{{- end -}}
