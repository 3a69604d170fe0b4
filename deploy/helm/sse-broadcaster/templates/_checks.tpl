{{/* Values that contradict each other. Each refusal begins with a code, and says what was wrong and what is right. */}}

{{- define "sse-broadcaster.check" -}}
{{- include "sse-broadcaster.checkPublishing" . }}
{{- include "sse-broadcaster.checkHistory" . }}
{{- include "sse-broadcaster.checkSettings" . }}
{{- include "sse-broadcaster.checkNodes" . }}
{{- include "sse-broadcaster.checkNetwork" . }}
{{- end }}

{{/* The rule of the program for an address that other machines reach. */}}
{{- define "sse-broadcaster.checkPublishing" -}}
{{- $secrets := .Values.secrets }}
{{- $settings := .Values.settings }}
{{- $chosen := or .Values.allowAnonymousPublish .Values.noPublish $secrets.publishKeys.name $secrets.tokenKeys.name }}
{{- $chosen = or $chosen (index $settings "token-jwks-url") (index $settings "authorize-url") }}
{{- $chosen = or $chosen (contains ",keys=" (include "sse-broadcaster.text" (dict "flag" "token-issuer" "value" (default "" (index $settings "token-issuer"))))) }}
{{- $chosen = or $chosen (and $settings.mercure $secrets.mercurePublisherKeys.name) }}
{{- if not $chosen }}
{{- fail "publishers_not_chosen: the Service can be reached from other machines: choose who may publish. Clients with a key, such as openssl rand -hex 32 prints: secrets.publishKeys.name; clients with a grant: secrets.tokenKeys.name, settings.token-jwks-url or settings.authorize-url; every client: allowAnonymousPublish=true; no client: noPublish=true" }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.checkHistory" -}}
{{- $kind := .Values.history.kind }}
{{- range $shared, $server := dict "redis" "Redis" "postgres" "PostgreSQL" }}
{{- $url := (index $.Values.history $shared).urlSecret.name }}
{{- if and (eq $kind $shared) (not $url) }}
{{- fail (printf "%s_url_missing: history.kind is %s, and history.%s.urlSecret.name is empty: name a Secret that has the URL of %s under the key of history.%s.urlSecret.key" $shared $shared $shared $server $shared) }}
{{- end }}
{{- if and $url (ne $kind $shared) }}
{{- fail (printf "%s_url_without_effect: history.%s.urlSecret.name is %q, and history.kind is %s: set history.kind=%s, or leave the name out" $shared $shared $url $kind $shared) }}
{{- end }}
{{- end }}
{{- if and .Values.history.disk.existingClaim (ne $kind "disk") }}
{{- fail (printf "claim_without_effect: history.disk.existingClaim is %q, and history.kind is %s: set history.kind=disk, or leave the claim out" .Values.history.disk.existingClaim $kind) }}
{{- end }}
{{- if not (has $kind (list "redis" "postgres")) }}
{{- if gt (int .Values.replicas) 1 }}
{{- fail (printf "nodes_without_shared_history: replicas is %d, and history.kind is %s: nodes share their events only in Redis or PostgreSQL. Set history.kind=redis and history.redis.urlSecret.name, the same with postgres, or replicas=1" (int .Values.replicas) $kind) }}
{{- end }}
{{- if .Values.autoscaling.enabled }}
{{- fail (printf "nodes_without_shared_history: autoscaling.enabled is true, and history.kind is %s: nodes share their events only in Redis or PostgreSQL. Set history.kind=redis and history.redis.urlSecret.name, the same with postgres, or autoscaling.enabled=false" $kind) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings that other values of the chart make, by the value that is right. */}}
{{- define "sse-broadcaster.settingsOfTheChart" -}}
listen: listenHost and service.port
admin-listen: listenHost and adminService.port
data-dir: history.kind=disk
redis-url: history.kind=redis and history.redis.urlSecret
redis-url-file: history.kind=redis and history.redis.urlSecret
postgres-url: history.kind=postgres and history.postgres.urlSecret
postgres-url-file: history.kind=postgres and history.postgres.urlSecret
config: settings
drain-delay: drain.delaySeconds
drain-time: drain.timeSeconds
allow-anonymous-publish: allowAnonymousPublish
no-publish: noPublish
publish-key: secrets.publishKeys
admin-key: secrets.adminKeys
token-key: secrets.tokenKeys
mercure-publisher-key: secrets.mercurePublisherKeys
mercure-subscriber-key: secrets.mercureSubscriberKeys
{{ range $secret, $flag := include "sse-broadcaster.keyFiles" . | fromYaml }}
{{ $flag }}: secrets.{{ $secret }}
{{ end }}
{{- end }}

{{- define "sse-broadcaster.checkSettings" -}}
{{- $ofTheChart := include "sse-broadcaster.settingsOfTheChart" . | fromYaml }}
{{- range $flag, $value := .Values.settings }}
{{- with index $ofTheChart $flag }}
{{- fail (printf "setting_of_the_chart: settings.%s is set by the chart: use %s" $flag .) }}
{{- end }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "SSE_BROADCASTER_" (upper .name) }}
{{- fail (printf "variable_is_a_setting: extraEnv has %s: use settings.%s, or secrets for a key" .name (trimPrefix "SSE_BROADCASTER_" (upper .name) | lower | replace "_" "-")) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.checkNodes" -}}
{{- with .Values.drain }}
{{- $least := add .delaySeconds .timeSeconds .marginSeconds }}
{{- $given := $.Values.terminationGracePeriodSeconds }}
{{- if and (not (kindIs "invalid" $given)) (lt (int $given) (int $least)) }}
{{- fail (printf "grace_period_too_short: terminationGracePeriodSeconds is %d, and a pod needs %d s to end (drain.delaySeconds %d, drain.timeSeconds %d, drain.marginSeconds %d): set it to %d or more, or leave it out" (int $given) $least (int .delaySeconds) (int .timeSeconds) (int .marginSeconds) $least) }}
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "autoscaling_bounds: autoscaling.minReplicas is %d, and autoscaling.maxReplicas is %d: the least must not be above the most" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if and (kindIs "invalid" .subscribersPerPod) (kindIs "invalid" .cpuPercent) }}
{{- fail "autoscaling_without_metric: autoscaling.subscribersPerPod and autoscaling.cpuPercent are null: set one of them" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "sse-broadcaster.checkNetwork" -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "route_without_gateway: httpRoute.enabled is true, and httpRoute.parentRefs is empty: name a Gateway, for example {name: public, namespace: gateways}" }}
{{- end }}
{{- end }}
