{{/* Settings of the program, as variables and files. */}}

{{/* Each Secret of the values, the setting that reads its file, and the setting that must not have its text. */}}
{{- define "sse-broadcaster.keyFiles" -}}
publishKeys: publish-key-file
adminKeys: admin-key-file
tokenKeys: token-key-file
webhookSecret: webhook-secret-file
mercurePublisherKeys: mercure-publisher-key-file
mercureSubscriberKeys: mercure-subscriber-key-file
{{- end }}

{{- define "sse-broadcaster.keyFolder" -}}/etc/sse-broadcaster/keys{{- end }}

{{/* The variable of a flag. */}}
{{- define "sse-broadcaster.variable" -}}
SSE_BROADCASTER_{{ . | upper | replace "-" "_" }}
{{- end }}

{{/* The text of a value. Helm reads whole numbers as floating point, which it would print with an exponent. */}}
{{- define "sse-broadcaster.text" -}}
{{- if kindIs "slice" .value -}}
{{ join (ternary " " "," (eq .flag "token-issuer")) .value }}
{{- else if kindIs "float64" .value -}}
{{ int64 .value }}
{{- else -}}
{{ .value }}
{{- end -}}
{{- end }}

{{- define "sse-broadcaster.env" -}}
- {name: SSE_BROADCASTER_LISTEN, value: {{ printf "%s:8000" .Values.listenHost | quote }}}
- {name: SSE_BROADCASTER_ADMIN_LISTEN, value: {{ printf "%s:9000" .Values.listenHost | quote }}}
- {name: SSE_BROADCASTER_DRAIN_DELAY, value: {{ printf "%ds" (int .Values.drain.delaySeconds) }}}
- {name: SSE_BROADCASTER_DRAIN_TIME, value: {{ printf "%ds" (int .Values.drain.timeSeconds) }}}
{{- if .Values.allowAnonymousPublish }}
- {name: SSE_BROADCASTER_ALLOW_ANONYMOUS_PUBLISH, value: "true"}
{{- end }}
{{- if .Values.noPublish }}
- {name: SSE_BROADCASTER_NO_PUBLISH, value: "true"}
{{- end }}
{{- if eq .Values.history.kind "disk" }}
- {name: SSE_BROADCASTER_DATA_DIR, value: /data/log}
{{- end }}
{{- if eq .Values.history.kind "redis" }}
- name: SSE_BROADCASTER_REDIS_URL
  valueFrom:
    secretKeyRef: {{ .Values.history.redis.urlSecret | toJson }}
{{- end }}
{{- if eq .Values.history.kind "postgres" }}
- name: SSE_BROADCASTER_POSTGRES_URL
  valueFrom:
    secretKeyRef: {{ .Values.history.postgres.urlSecret | toJson }}
{{- end }}
{{- range $secret, $flag := include "sse-broadcaster.keyFiles" . | fromYaml }}
{{- with index $.Values.secrets $secret }}
{{- if .name }}
- name: {{ include "sse-broadcaster.variable" $flag }}
  value: {{ printf "%s/%s" (include "sse-broadcaster.keyFolder" $) (kebabcase $secret) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $flag, $value := .Values.settings }}
- name: {{ include "sse-broadcaster.variable" $flag }}
  value: {{ include "sse-broadcaster.text" (dict "flag" $flag "value" $value) | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* One volume for all keys: a file that is mounted by a subPath would never change. */}}
{{- define "sse-broadcaster.keySources" -}}
{{- range $secret, $flag := include "sse-broadcaster.keyFiles" . | fromYaml }}
{{- with index $.Values.secrets $secret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    items: [{key: {{ .key | quote }}, path: {{ kebabcase $secret }}}]
{{- end }}
{{- end }}
{{- end }}
{{- end }}
