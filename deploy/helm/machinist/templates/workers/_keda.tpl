{{/* An autoscaler by waiting messages: dict "of", "set" and "root". KEDA looks at the queues over AMQP, as
the workers' own user: a passive declaration needs no right. Its count leaves out the messages that
workers have received. */}}
{{- define "machinist.keda" -}}
{{- $url := include "machinist.broker.url" (dict "root" .root "role" .set.broker) | fromJson -}}
{{- $scaling := .set.autoscaling -}}
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  {{- include "machinist.metadata" .of | nindent 2 }}
spec:
  secretTargetRef:
    {{- if $url.name }}
    - {parameter: host, name: {{ $url.name }}, key: {{ $url.key }}}
    {{- else }}
    - {parameter: username, name: {{ include "machinist.broker.userSecret" .root }}, key: username}
    - {parameter: password, name: {{ include "machinist.broker.userSecret" .root }}, key: password}
    {{- end }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "machinist.metadata" .of | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "machinist.fullname" .root }}-{{ .of.suffix }}
  minReplicaCount: {{ $scaling.minReplicas | int }}
  maxReplicaCount: {{ $scaling.maxReplicas | int }}
  pollingInterval: 10
  triggers:
    {{- $prefix := printf "machinist.%s" .set.providerName }}
    {{- $queues := dict (printf "%s.queries" $prefix) $scaling.waitingQueries }}
    {{- range until 8 }}{{ $_ := set $queues (printf "%s.commands.%d" $prefix .) $scaling.waitingCommands }}{{ end }}
    {{- range $queue, $waiting := $queues }}
    - type: rabbitmq
      metadata:
        {{- if not $url.name }}
        host: amqp://{{ include "machinist.broker.host" $.root }}:5672/
        {{- end }}
        protocol: amqp
        mode: QueueLength
        queueName: {{ $queue }}
        value: {{ $waiting | int | quote }}
      authenticationRef: {name: {{ include "machinist.fullname" $.root }}-{{ $.of.suffix }}}
    {{- end }}
{{- end -}}
