{{/* The pod, in a Deployment and in a StatefulSet alike. */}}

{{- define "sse-broadcaster.podTemplate" -}}
metadata:
  labels:
    {{- include "sse-broadcaster.selectorLabels" . | nindent 4 }}
    {{- with merge (deepCopy .Values.podLabels) .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "sse-broadcaster.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Variables of Services begin as those of settings do.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "sse-broadcaster.gracePeriod" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with include "sse-broadcaster.spread" . }}
  topologySpreadConstraints:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: sse-broadcaster
      {{- include "sse-broadcaster.container" . | nindent 6 }}
  {{- with include "sse-broadcaster.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "sse-broadcaster.container" -}}
image: {{ include "sse-broadcaster.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  {{- include "sse-broadcaster.env" . | nindent 2 }}
ports:
  - {name: http, containerPort: 8000}
  - {name: admin, containerPort: 9000}
{{- range $probe, $path := dict "startup" "live" "liveness" "live" "readiness" "ready" }}
{{ $probe }}Probe:
  httpGet: {path: /health/{{ $path }}, port: admin}
  {{- toYaml (index $.Values.probes $probe) | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- with include "sse-broadcaster.volumeMounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.gracePeriod" -}}
{{- with .Values.drain }}
{{- default (add .delaySeconds .timeSeconds .marginSeconds) $.Values.terminationGracePeriodSeconds | int }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.spread" -}}
{{- if .Values.topologySpreadConstraints }}
{{- toYaml .Values.topologySpreadConstraints }}
{{- else if has .Values.history.kind (list "redis" "postgres") }}
{{- range $index, $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
{{- if $index }}{{ "\n" }}{{ end -}}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  # Without the pods of the version that is being replaced.
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "sse-broadcaster.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.volumes" -}}
{{- with include "sse-broadcaster.keySources" . | trim }}
- name: keys
  projected:
    # The group is fsGroup.
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- if and (eq .Values.history.kind "disk") .Values.history.disk.existingClaim }}
- name: data
  persistentVolumeClaim: {claimName: {{ .Values.history.disk.existingClaim }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.volumeMounts" -}}
{{- if include "sse-broadcaster.keySources" . | trim }}
- {name: keys, mountPath: {{ include "sse-broadcaster.keyFolder" . }}, readOnly: true}
{{- end }}
{{- if eq .Values.history.kind "disk" }}
- {name: data, mountPath: /data}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}
