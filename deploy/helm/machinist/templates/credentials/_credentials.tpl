{{/* The Secret of generated credentials. `lookup` is not used: it finds nothing in `helm template`, in
kubectl's manifest and in GitOps tools, which would then replace every password at each rendering. */}}

{{/* "true" if some value is left to the chart. */}}
{{- define "machinist.credentials.needed" -}}
{{- $seal := and .Values.seal.enabled (not .Values.seal.existingSecret) -}}
{{- $broker := eq .Values.broker.kind "trial" -}}
{{- if or $seal $broker (include "machinist.auth.generatesToken" .) }}true{{ end -}}
{{- end -}}

{{- define "machinist.credentials.pod" -}}
metadata:
  labels:
    {{- include "machinist.podLabels" (dict "root" . "component" "credentials") | nindent 4 }}
spec:
  serviceAccountName: {{ include "machinist.credentials" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: OnFailure
  securityContext:
    {{- include "machinist.podSecurity" . | nindent 4 }}
  {{- with include "machinist.scheduling" (dict "root" . "pod" .Values.gateway) | trim }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: credentials
      image: {{ include "machinist.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [python3, -c]
      args:
        - |
          {{- .Files.Get "files/credentials.py" | trim | nindent 10 }}
      env:
        - {name: SECRET_NAME, value: {{ include "machinist.credentials" . }}}
        - {name: LABELS, value: {{ include "machinist.selector" (dict "root" . "component" "credentials") | fromYaml | toJson | quote }}}
      resources:
        requests: {cpu: 50m, memory: 64Mi}
        limits: {memory: 128Mi}
      securityContext:
        {{- include "machinist.containerSecurity" . | nindent 8 }}
{{- end -}}
