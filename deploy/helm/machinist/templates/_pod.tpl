{{/* Parts of the pods of gateway, workers, credentials and test. */}}

{{- define "machinist.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "machinist.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The fields of a pod that say where it runs: dict "root" and "pod" (the values of the component). */}}
{{- define "machinist.scheduling" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Spread over nodes and zones; where that is impossible, pods start all the same. */}}
{{- define "machinist.spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "machinist.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}

{{/* Probes go to the port of metrics: /ready of the gateway's main port answers 503 without a broker,
which would take every gateway out of its Service. */}}
{{- define "machinist.probes" -}}
startupProbe:
  httpGet: {path: /live, port: metrics}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /live, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /ready, port: metrics}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}

{{/* Volumes and mounts of gateway and worker: dict "root", "role" and "tmp" (a size). */}}
{{- define "machinist.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .root.Values.seal.enabled }}
- {name: seal, mountPath: /etc/machinist/seal, readOnly: true}
{{- end }}
{{- if (include "machinist.broker.url" . | fromJson).name }}
- {name: broker, mountPath: /etc/machinist/broker, readOnly: true}
{{- end }}
{{- if .root.Values.broker.tls.existingSecret }}
- {name: broker-tls, mountPath: /etc/machinist/broker-tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "machinist.volumes" -}}
{{- $seal := .root.Values.seal -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .tmp }}}
{{- if $seal.enabled }}
- name: seal
  secret:
    secretName: {{ $seal.existingSecret | default (include "machinist.credentials" .root) }}
    defaultMode: 0440
    items: [{key: {{ ternary $seal.key "seal-key" (ne $seal.existingSecret "") }}, path: seal-key}]
{{- end }}
{{- with include "machinist.broker.url" . | fromJson }}
{{- if .name }}
- name: broker
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items: [{key: {{ .key }}, path: url}]
{{- end }}
{{- end }}
{{- with .root.Values.broker.tls.existingSecret }}
- name: broker-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end -}}
