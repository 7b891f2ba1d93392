{{/* An autoscaler by CPU: dict "root", "component", "set", "suffix" and "autoscaling". */}}
{{- define "machinist.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "machinist.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "machinist.fullname" .root }}-{{ .suffix }}
  minReplicas: {{ .autoscaling.minReplicas | int }}
  maxReplicas: {{ .autoscaling.maxReplicas | int }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .autoscaling.targetCPUPercent | int }}}
{{- end -}}
