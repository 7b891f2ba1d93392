{{/* Lines of rabbitmq.conf besides the shipped ones. RabbitMQ takes a share of this memory, not of the
node's; "1Gi" is "1GiB" to RabbitMQ. */}}
{{- define "machinist.trial.conf" -}}
total_memory_available_override_value = {{ .Values.broker.trial.memory }}B
log.console = true
log.file = false
{{- end -}}

{{- define "machinist.cluster.spec" -}}
{{- $cluster := .Values.broker.cluster -}}
{{- $name := printf "%s-broker" (include "machinist.fullname" .) -}}
replicas: {{ $cluster.replicas | int }}
{{- with $cluster.image }}
image: {{ . }}
{{- end }}
resources:
  requests: {cpu: {{ $cluster.cpu | quote }}, memory: {{ $cluster.memory }}}
  limits: {memory: {{ $cluster.memory }}}
persistence:
  storage: {{ $cluster.storage.size }}
  {{- with $cluster.storage.className }}
  storageClassName: {{ . }}
  {{- end }}
rabbitmq:
  additionalConfig: |
    {{- .Files.Get "files/three-nodes.conf" | trim | nindent 4 }}
    cluster_formation.target_cluster_size_hint = {{ $cluster.replicas | int }}
    {{- if $cluster.definitionsSecret }}
    # In alphabetical order: exchanges before the permissions on them.
    load_definitions = /etc/machinist/definitions
    {{- end }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector: {matchLabels: {app.kubernetes.io/name: {{ $name }}}}
{{- if $cluster.definitionsSecret }}
override:
  statefulSet:
    spec:
      template:
        spec:
          containers:
            - name: rabbitmq
              volumeMounts:
                - {name: definitions, mountPath: /etc/machinist/definitions, readOnly: true}
          volumes:
            - name: definitions
              projected:
                sources:
                  - configMap:
                      name: {{ $name }}
                      items: [{key: vhosts.json, path: 1-vhosts.json}]
                  - secret:
                      name: {{ $cluster.definitionsSecret }}
                      items:
                        - {key: definitions.json, path: 2-definitions.json}
                        - {key: users.json, path: 3-users.json}
{{- end }}
{{- end -}}
