{{/* Rules of network policies. */}}

{{- define "machinist.policy.scrapers" -}}
- ports: [{port: metrics, protocol: TCP}]
  {{- with .Values.networkPolicy.scrapers }}
  from:
    {{- toYaml . | nindent 4 }}
    - podSelector:
        matchLabels:
          {{- include "machinist.selector" (dict "root" $ "component" "test") | nindent 10 }}
  {{- end }}
{{- end -}}

{{/* OpenShift's DNS pods listen on 5353, and policies apply after the translation of a Service's address. */}}
{{- define "machinist.policy.dns" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}, {port: 5353, protocol: UDP}, {port: 5353, protocol: TCP}]
{{- end -}}

{{/* To DNS, the broker, the collector of traces, and what the values add. */}}
{{- define "machinist.policy.common" -}}
{{ include "machinist.policy.dns" . }}
{{- if eq .Values.broker.kind "external" }}
- {{ include "machinist.policy.addresses" .Values.networkPolicy.broker | trim | nindent 2 | trim }}
{{- else }}
- to:
    - podSelector:
        matchLabels:
          {{- if eq .Values.broker.kind "cluster" }}
          # The operator's label.
          app.kubernetes.io/name: {{ include "machinist.fullname" . }}-broker
          {{- else }}
          {{- include "machinist.selector" (dict "root" . "component" "broker") | nindent 10 }}
          {{- end }}
  ports: [{port: 5672, protocol: TCP}, {port: 5671, protocol: TCP}]
{{- end }}
{{- with .Values.tracing.endpoint }}
- ports: [{port: {{ include "machinist.policy.portOf" . }}, protocol: TCP}]
{{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "machinist.policy.apiServer" -}}
# The API server.
- {{ include "machinist.policy.addresses" .Values.networkPolicy.apiServer | trim | nindent 2 | trim }}
{{- end -}}

{{/* Ports at some addresses, or at all: dict "cidrs" and "ports". */}}
{{- define "machinist.policy.addresses" -}}
{{- with .cidrs }}
to:
  {{- range . }}
  - ipBlock: {cidr: {{ . }}}
  {{- end }}
{{- end }}
ports:
  {{- range .ports }}
  - {port: {{ int . }}, protocol: TCP}
  {{- end }}
{{- end -}}

{{/* The port of a URL. */}}
{{- define "machinist.policy.portOf" -}}
{{- $host := (urlParse .).host -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (hasPrefix "https://" .)) -}}
{{- end -}}
