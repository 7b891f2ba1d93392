{{/* Who may call the gateway: variables, mounts and volumes. */}}

{{- define "machinist.auth.env" -}}
{{- $auth := .Values.auth -}}
{{- $env := dict "PLT_AUTH" $auth.mode "PLT_TRUSTED_PROXIES" (join "," $auth.trustedProxies) -}}
{{- if $auth.allowAnonymous }}{{ $_ := set $env "PLT_ALLOW_ANONYMOUS" "true" }}{{ end -}}
{{- if include "machinist.auth.accepts" (list .Values "token") }}{{ $_ := set $env "PLT_AUTH_TOKENS" "/etc/machinist/tokens/tokens" }}{{ end -}}
{{- if include "machinist.auth.accepts" (list .Values "jwt") -}}
{{- $_ := set $env "PLT_JWT_ISSUER" $auth.jwt.issuer -}}
{{- $_ := set $env "PLT_JWT_AUDIENCE" $auth.jwt.audience -}}
{{- $_ := set $env "PLT_JWT_GROUPS_CLAIM" $auth.jwt.groupsClaim -}}
{{- $_ := set $env "PLT_JWT_LEEWAY_SECONDS" $auth.jwt.leewaySeconds -}}
{{- $_ := set $env "PLT_JWT_JWKS" $auth.jwt.jwks -}}
{{- if $auth.jwt.fromCluster -}}
{{- $_ := set $env "PLT_JWT_JWKS" "https://kubernetes.default.svc/openid/v1/jwks" -}}
{{- $_ := set $env "PLT_JWT_JWKS_CA" "/etc/machinist/cluster/ca.crt" -}}
{{- $_ := set $env "PLT_JWT_JWKS_TOKEN_FILE" "/etc/machinist/cluster/token" -}}
{{- end -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $_ := set $env "PLT_TLS_CERT" "/etc/machinist/tls/tls.crt" -}}
{{- $_ := set $env "PLT_TLS_KEY" "/etc/machinist/tls/tls.key" -}}
{{- end -}}
{{- if .Values.tls.clientCA.existingSecret -}}
{{- $_ := set $env "PLT_TLS_CLIENT_CA" "/etc/machinist/client-ca/ca.crt" -}}
{{- end -}}
{{- if include "machinist.auth.rightsConfigMap" . -}}
{{- $_ := set $env "PLT_AUTH_RIGHTS" "/etc/machinist/rights/rights.json" -}}
{{- end -}}
{{- $env | toJson -}}
{{- end -}}

{{/* "true" if tokens of the kind "token" or "jwt" are accepted: list of the values and the kind. */}}
{{- define "machinist.auth.accepts" -}}
{{- if has (last .) (splitList "," (first .).auth.mode) }}true{{ end -}}
{{- end -}}

{{/* "true" if the chart makes a token. */}}
{{- define "machinist.auth.generatesToken" -}}
{{- $accepts := include "machinist.auth.accepts" (list .Values "token") -}}
{{- if and .Values.gateway.enabled $accepts (not .Values.auth.tokens.existingSecret) }}true{{ end -}}
{{- end -}}

{{/* The document of rights, as JSON: the rules of the values, and one for the generated token. */}}
{{- define "machinist.auth.rights" -}}
{{- $rules := .Values.auth.rights.rules -}}
{{- if include "machinist.auth.generatesToken" . -}}
{{- $rules = append $rules (dict
  "description" "The generated token of a trial"
  "subjects" (list "generated-token")
  "providers" (list "*")
  "scopes" (list "*")
  "classes" (list "read" "scale" "change" "secrets")) -}}
{{- end -}}
{{- dict "rules" $rules | toJson -}}
{{- end -}}

{{/* The ConfigMap with the rights: the user's, or one made of the rules, or none. */}}
{{- define "machinist.auth.rightsConfigMap" -}}
{{- if or (ne .Values.auth.mode "none") .Values.tls.clientCA.existingSecret -}}
{{- $rules := (include "machinist.auth.rights" . | fromJson).rules -}}
{{- $made := ternary (printf "%s-rights" (include "machinist.fullname" .)) "" (gt (len $rules) 0) -}}
{{- .Values.auth.rights.existingConfigMap | default $made -}}
{{- end -}}
{{- end -}}

{{- define "machinist.auth.mounts" -}}
{{- if include "machinist.auth.accepts" (list .Values "token") }}
- {name: tokens, mountPath: /etc/machinist/tokens, readOnly: true}
{{- end }}
{{- if include "machinist.auth.rightsConfigMap" . }}
- {name: rights, mountPath: /etc/machinist/rights, readOnly: true}
{{- end }}
{{- if and (include "machinist.auth.accepts" (list .Values "jwt")) .Values.auth.jwt.fromCluster }}
- {name: cluster, mountPath: /etc/machinist/cluster, readOnly: true}
{{- end }}
{{- if .Values.tls.existingSecret }}
- {name: tls, mountPath: /etc/machinist/tls, readOnly: true}
{{- end }}
{{- if .Values.tls.clientCA.existingSecret }}
- {name: client-ca, mountPath: /etc/machinist/client-ca, readOnly: true}
{{- end }}
{{- end -}}

{{/* Volumes are folders, not single files (subPath), because the kubelet renews only folders. */}}
{{- define "machinist.auth.volumes" -}}
{{- $tokens := .Values.auth.tokens -}}
{{- if include "machinist.auth.accepts" (list .Values "token") }}
- name: tokens
  secret:
    secretName: {{ $tokens.existingSecret | default (include "machinist.credentials" .) }}
    defaultMode: 0440
    items: [{key: {{ ternary $tokens.key "tokens" (ne $tokens.existingSecret "") }}, path: tokens}]
{{- end }}
{{- with include "machinist.auth.rightsConfigMap" . }}
- name: rights
  configMap:
    name: {{ . }}
    items: [{key: {{ ternary $.Values.auth.rights.key "rights.json" (ne $.Values.auth.rights.existingConfigMap "") }}, path: rights.json}]
{{- end }}
{{- if and (include "machinist.auth.accepts" (list .Values "jwt")) .Values.auth.jwt.fromCluster }}
- name: cluster
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- with .Values.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.tls.clientCA }}
{{- if .existingSecret }}
- name: client-ca
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}
