{{/* Fails with one message that lists everything that is wrong with values that the schema accepts. */}}
{{- define "machinist.check" -}}
{{- $wrong := concat
  (include "machinist.check.release" . | fromJsonArray)
  (include "machinist.check.auth" . | fromJsonArray)
  (include "machinist.check.workers" . | fromJsonArray) -}}
{{- if $wrong }}{{ fail (printf "\n  %s\n" (join "\n  " $wrong)) }}{{ end -}}
{{- end -}}

{{- define "machinist.check.release" -}}
{{- $wrong := list -}}
{{- $kind := .Values.broker.kind -}}
{{- if not (or .Values.gateway.enabled .Values.workers) -}}
{{- $wrong = append $wrong "gateway.enabled, workers: expected a gateway or a worker set, got neither" -}}
{{- end -}}
{{- if and (not .Values.gateway.enabled) (ne $kind "external") -}}
{{- $wrong = append $wrong (printf "broker.kind=%s: expected external, because the gateway is in another release; broker.existingSecret names the Secret with the broker's URL" $kind) -}}
{{- end -}}
{{- $own := and (eq $kind "cluster") (not .Values.broker.cluster.definitionsSecret) -}}
{{- if not (or (eq $kind "trial") $own) -}}
{{- $why := ternary "broker.kind=external" "broker.cluster.definitionsSecret is set, so the operator's default user does not exist" (eq $kind "external") -}}
{{- $roles := dict -}}
{{- if .Values.gateway.enabled }}{{ $_ := set $roles "gateway.broker" .Values.gateway.broker }}{{ end -}}
{{- range include "machinist.workers" . | fromJsonArray }}{{ $_ := set $roles (printf "workers[%s].broker" .name) .broker }}{{ end -}}
{{- range $path, $role := $roles -}}
{{- if not (or $role.existingSecret $.Values.broker.existingSecret) -}}
{{- $wrong = append $wrong (printf "%s.existingSecret, broker.existingSecret: expected the name of a Secret with an AMQP URL, got none; %s" $path $why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.seal.enabled (not .Values.gateway.enabled) (not .Values.seal.existingSecret) -}}
{{- $wrong = append $wrong "seal.existingSecret: expected the Secret with the seal key of the gateway, which is in another release; or seal.enabled=false if the gateway has none" -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end -}}

{{- define "machinist.check.auth" -}}
{{- $wrong := list -}}
{{- $auth := .Values.auth -}}
{{- if .Values.gateway.enabled -}}
{{- if and (eq $auth.mode "none") (not $auth.allowAnonymous) (not .Values.tls.clientCA.existingSecret) -}}
{{- $wrong = append $wrong "auth.mode=none: expected token or jwt, or tls.clientCA.existingSecret, or auth.allowAnonymous=true, with which everyone who reaches the gateway may send every command" -}}
{{- end -}}
{{- if and .Values.tls.clientCA.existingSecret (not .Values.tls.existingSecret) -}}
{{- $wrong = append $wrong "tls.clientCA.existingSecret: expected tls.existingSecret too, because client certificates need TLS" -}}
{{- end -}}
{{- if include "machinist.auth.accepts" (list .Values "jwt") -}}
{{- range $name := list "issuer" "audience" -}}
{{- if not (index $auth.jwt $name) -}}
{{- $wrong = append $wrong (printf "auth.jwt.%s: expected a text, because auth.mode=%s" $name $auth.mode) -}}
{{- end -}}
{{- end -}}
{{- if and (not $auth.jwt.jwks) (not $auth.jwt.fromCluster) -}}
{{- $wrong = append $wrong (printf "auth.jwt.jwks: expected a URL or a mounted file, or auth.jwt.fromCluster=true, because auth.mode=%s" $auth.mode) -}}
{{- end -}}
{{- end -}}
{{- if and (ne $auth.mode "none") (not (include "machinist.auth.rightsConfigMap" .)) -}}
{{- $wrong = append $wrong "auth.rights.rules, auth.rights.existingConfigMap: expected the rights of callers, got none" -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end -}}

{{- define "machinist.check.workers" -}}
{{- $wrong := list -}}
{{- $names := dict -}}
{{- $platforms := dict -}}
{{- $scopes := dict -}}
{{- range include "machinist.workers" . | fromJsonArray -}}
{{- $path := printf "workers[%s]" .name -}}
{{- if hasKey $names .name }}{{ $wrong = append $wrong (printf "%s.name: expected a name that no other worker set has" $path) }}{{ end -}}
{{- $_ := set $names .name true -}}
{{- if ne (index $platforms .providerName | default .platform) .platform -}}
{{- $wrong = append $wrong (printf "%s.providerName=%s: expected one platform per provider, got k8s and ecs" $path .providerName) -}}
{{- end -}}
{{- $_ := set $platforms .providerName .platform -}}
{{- /* Any worker of a provider gets any of its commands. */ -}}
{{- $own := sortAlpha .scopes | join ", " -}}
{{- $other := index $scopes .providerName | default $own -}}
{{- if ne $other $own -}}
{{- $wrong = append $wrong (printf "%s.providerName=%s: expected a provider of its own, or the scopes of the other worker set of this provider (%s), got %s" $path .providerName $other $own) -}}
{{- end -}}
{{- $_ := set $scopes .providerName $own -}}
{{- if and (eq .platform "k8s") (not .scopes) -}}
{{- $wrong = append $wrong (printf "%s.scopes: expected namespaces that the workers manage, or [\"*\"] for all" $path) -}}
{{- end -}}
{{- if and (has "*" .scopes) (gt (len .scopes) 1) -}}
{{- $wrong = append $wrong (printf "%s.scopes: expected \"*\" alone, or namespaces" $path) -}}
{{- end -}}
{{- if and (eq .platform "ecs") (or .scopes .gateways) -}}
{{- $wrong = append $wrong (printf "%s.scopes, .gateways: expected none, because the IAM role of ECS workers decides which clusters they manage" $path) -}}
{{- end -}}
{{- if and (eq .platform "ecs") (not (hasKey .env "PLT_ECS_REGION")) -}}
{{- $wrong = append $wrong (printf "%s.env.PLT_ECS_REGION: expected the region, such as eu-central-1" $path) -}}
{{- end -}}
{{- if lt (int .autoscaling.maxReplicas) (int .autoscaling.minReplicas) -}}
{{- $wrong = append $wrong (printf "%s.autoscaling: expected maxReplicas of at least minReplicas" $path) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end -}}
