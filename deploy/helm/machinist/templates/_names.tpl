{{/* Names and labels. Names leave room for the longest suffix, "-worker-" and 20 characters. */}}

{{- define "machinist.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 35 | trimSuffix "-" -}}
{{- end -}}

{{/* The labels by which Services, policies and budgets select pods: dict "root" and "component". */}}
{{- define "machinist.selector" -}}
app.kubernetes.io/name: machinist
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .set }}
machinist/worker-set: {{ . }}
{{- end }}
{{- end -}}

{{/* The labels of every object. */}}
{{- define "machinist.labels" -}}
{{ include "machinist.selector" . }}
app.kubernetes.io/part-of: machinist
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of pods. The chart's version is not among them, since it would restart pods. */}}
{{- define "machinist.podLabels" -}}
{{ include "machinist.selector" . }}
app.kubernetes.io/part-of: machinist
{{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object: dict "root", "component", and "suffix" or "name". */}}
{{- define "machinist.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "machinist.fullname" .root) .suffix) }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "machinist.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "machinist.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- with .Values.image.digest -}}
{{ $.Values.image.repository }}@{{ . }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "machinist.credentials" -}}{{ include "machinist.fullname" . }}-credentials{{- end -}}

{{/* The name of a ServiceAccount: dict "account" (create, name) and "default". */}}
{{- define "machinist.account" -}}
{{- if .account.create -}}{{ .account.name | default .default }}
{{- else -}}{{ .account.name | default "default" }}{{- end -}}
{{- end -}}
