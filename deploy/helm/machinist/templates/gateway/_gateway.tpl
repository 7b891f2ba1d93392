{{/* The gateway's own variables, as a JSON object. */}}
{{- define "machinist.gateway.env" -}}
{{- $gateway := .Values.gateway -}}
{{- $deadlines := $gateway.deadlinesMs -}}
{{- $env := dict
  "PLT_HOST" .Values.listenAddress
  "PLT_PORT" "3042"
  "PLT_PROVIDERS" (include "machinist.providers" .)
  "PLT_DEADLINE_MS" (printf "queries=%d,commands=%d" (int $deadlines.queries) (int $deadlines.commands))
  "PLT_DRAIN_SECONDS" $gateway.drainSeconds
  "PLT_ACCESS_LOG" .Values.log.access
-}}
{{- range list
  (include "machinist.commonEnv" .)
  (include "machinist.broker.env" (dict "root" . "role" $gateway.broker))
  (include "machinist.auth.env" .)
-}}
{{- $env = merge $env (. | fromJson) -}}
{{- end -}}
{{- $env | toJson -}}
{{- end -}}

{{/* Long enough to drain, to finish the longest request that began last, and to stop. */}}
{{- define "machinist.gateway.grace" -}}
{{- $longest := max (int .Values.gateway.deadlinesMs.queries) (int .Values.gateway.deadlinesMs.commands) -}}
{{- add (int .Values.gateway.drainSeconds) (div (add $longest 999) 1000) 15 -}}
{{- end -}}

{{- define "machinist.gateway.servicePort" -}}
{{- .Values.gateway.service.port | default (ternary 443 80 (ne .Values.tls.existingSecret "")) | int -}}
{{- end -}}

{{- define "machinist.gateway.scheme" -}}{{ ternary "https" "http" (ne .Values.tls.existingSecret "") }}{{- end -}}
