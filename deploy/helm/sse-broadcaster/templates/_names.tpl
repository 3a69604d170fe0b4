{{/* Names and labels. */}}

{{- define "sse-broadcaster.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Names of objects are up to 63 characters; "-admin" and "-test" are appended to some. */}}
{{- define "sse-broadcaster.fullname" -}}
{{- $name := include "sse-broadcaster.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 57 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 57 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 57 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.serviceAccountName" -}}
{{- $default := ternary (include "sse-broadcaster.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "sse-broadcaster.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the objects of a release have in common, but not what selects pods. */}}
{{- define "sse-broadcaster.releaseLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "sse-broadcaster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.labels" -}}
{{ include "sse-broadcaster.releaseLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{/* What selects the pods of servers, and not that of the test. It must never change for a release. */}}
{{- define "sse-broadcaster.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sse-broadcaster.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end }}
