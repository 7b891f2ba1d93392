{{/* Of one worker set: dict "root" and "set". */}}

{{- define "machinist.worker.account" -}}
{{- include "machinist.account" (dict
  "account" .set.serviceAccount
  "default" (printf "%s-worker-%s" (include "machinist.fullname" .root) .set.name)) -}}
{{- end -}}

{{- define "machinist.worker.env" -}}
{{- $env := dict
  "PLT_PROVIDER" .set.platform
  "PLT_PROVIDER_NAME" .set.providerName
  "PLT_GRACE_SECONDS" .set.graceSeconds
-}}
{{- with .set.gateways }}{{ $_ := set $env "PLT_K8S_GATEWAYS" (join "," .) }}{{ end -}}
{{- range list
  (include "machinist.commonEnv" .root)
  (include "machinist.broker.env" (dict "root" .root "role" .set.broker))
-}}
{{- $env = merge $env (. | fromJson) -}}
{{- end -}}
{{- $env | toJson -}}
{{- end -}}

{{/* A Role in a namespace, or a ClusterRole, and its binding to the workers' ServiceAccount: dict "in" (the
namespace) or "prefix" ("Cluster"), "rules" (a text), "suffix", "account", "root", "component", "set". The
release's namespace is part of the name, because releases of the same name in two namespaces may manage one
third namespace. */}}
{{- define "machinist.role" -}}
{{- $name := printf "%s-%s.%s" (include "machinist.fullname" .root) .suffix .root.Release.Namespace -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .prefix }}Role
metadata:
  name: {{ $name }}
  {{- with .in }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "machinist.labels" . | nindent 4 }}
rules:
  {{- trim .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .prefix }}RoleBinding
metadata:
  name: {{ $name }}
  {{- with .in }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "machinist.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ .prefix }}Role, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ .account }}, namespace: {{ .root.Release.Namespace }}}
{{- end -}}
