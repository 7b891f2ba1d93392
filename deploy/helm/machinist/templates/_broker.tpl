{{/* How a process reaches the broker. */}}

{{/* The host of a broker that the chart makes. */}}
{{- define "machinist.broker.host" -}}
{{ include "machinist.fullname" . }}-broker.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* The Secret with the user and password of a broker that the chart makes; its keys are those of the
cluster operator. */}}
{{- define "machinist.broker.userSecret" -}}
{{- if eq .Values.broker.kind "cluster" -}}{{ include "machinist.fullname" . }}-broker-default-user
{{- else -}}{{ include "machinist.credentials" . }}{{- end -}}
{{- end -}}

{{/* The Secret with a URL for a role, as JSON {name, key}; the name is empty if the chart makes the
broker and its user: dict "root" and "role", which is the `broker` value of the gateway or a worker set. */}}
{{- define "machinist.broker.url" -}}
{{- dict "name" (.role.existingSecret | default .root.Values.broker.existingSecret)
         "key" (.role.key | default .root.Values.broker.key) | toJson -}}
{{- end -}}

{{/* Variables, as a JSON object: dict "root" and "role". PLT_AMQP_URL is last in alphabetical order, as
references to other variables need. */}}
{{- define "machinist.broker.env" -}}
{{- $secret := include "machinist.broker.userSecret" .root -}}
{{- if (include "machinist.broker.url" . | fromJson).name -}}
{{- dict "PLT_AMQP_URL_FILE" "/etc/machinist/broker/url" | toJson -}}
{{- else -}}
{{- dict
  "BROKER_PASSWORD" (dict "secretKeyRef" (dict "name" $secret "key" "password"))
  "BROKER_USERNAME" (dict "secretKeyRef" (dict "name" $secret "key" "username"))
  "PLT_AMQP_URL" (printf "amqp://$(BROKER_USERNAME):$(BROKER_PASSWORD)@%s:5672/" (include "machinist.broker.host" .root))
  | toJson -}}
{{- end -}}
{{- end -}}
