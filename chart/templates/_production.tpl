{{/* Labels of pods: (dict "root" $ "component" "user"). The version is not among them: it must not restart pods. */}}
{{- define "maintenance-mode.podLabels" -}}
{{ include "maintenance-mode.selectorLabels" . }}
{{- $labels := merge (dict) .root.Values.podLabels .root.Values.commonLabels }}
{{- if and (eq .component "user") (eq (include "maintenance-mode.switch" .root) "selector") }}
{{- /* Labels that only page pods of an application have, for a Service to find them by. */}}
{{- $page := include "maintenance-mode.pageSelector" .root | fromYaml }}
{{- $labels = merge (omit $page "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component") $labels }}
{{- end }}
{{- with $labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of the pod of helm test, and what finds it. No page pod has them, so that no selector which the toggle moves finds that pod. */}}
{{- define "maintenance-mode.testLabels" -}}
app.kubernetes.io/name: maintenance-mode-test
maintenance-mode/test: {{ .Release.Name | toYaml }}
{{- end }}

{{/* Annotations of pods. The checksum is the user tier's alone: the switch never restarts the admin tier. */}}
{{- define "maintenance-mode.podAnnotations" -}}
{{- $own := dict }}
{{- if eq .component "user" }}
{{- /* How whoever may list pods finds what the toggle patches. */}}
{{- $_ := set $own "maintenance-mode/switch" (include "maintenance-mode.switched" .root) }}
{{- if eq .root.Values.maintenance.rollout "restart" }}
{{- $_ := set $own "checksum/config" (include "maintenance-mode.configData" .root | sha256sum) }}
{{- if and (kindIs "bool" .root.Values.maintenance.enabled) (eq (include "maintenance-mode.switch" .root) "config") }}
{{- /* Pods may be in another mode than Helm's last values say, by a patch or an upgrade that failed half-way: where the mode is Helm's, each upgrade starts new ones. */}}
{{- $_ := set $own "maintenance-mode/revision" (.root.Release.Revision | toString) }}
{{- end }}
{{- end }}
{{- end }}
{{- with merge $own .root.Values.podAnnotations }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* A container's environment, each name once, as server-side apply demands: extraEnv takes the place of our own. */}}
{{- define "maintenance-mode.env" -}}
{{- $extra := dict }}
{{- range .root.Values.extraEnv }}{{ $_ := set $extra .name . }}{{ end }}
{{- $env := list }}
{{- range include "maintenance-mode.ownEnv" . | fromYamlArray }}
{{- $env = append $env (get $extra .name | default .) }}
{{- $_ := unset $extra .name }}
{{- end }}
{{- range .root.Values.extraEnv }}
{{- if hasKey $extra .name }}{{ $env = append $env . }}{{ end }}
{{- end }}
{{- toYaml $env }}
{{- end }}

{{/*
A NetworkPolicy's spec: (dict "root" $ "component" "user" "from" .Values.networkPolicy.userFrom).
Ports by number, as OVN-Kubernetes, which is OpenShift's network, takes a named port
for every port.
*/}}
{{- define "maintenance-mode.networkPolicySpec" -}}
podSelector:
  matchLabels:
    {{- include "maintenance-mode.selectorLabels" . | nindent 4 }}
# No rule for what goes out: nothing does. Answers are no traffic of their own.
policyTypes:
  - Ingress
  - Egress
ingress:
  - ports:
      - protocol: TCP
        port: {{ include "maintenance-mode.port" .root }}
    {{- with .from }}
    from:
      {{- toYaml . | nindent 6 }}
      # The pod of helm test.
      - podSelector:
          matchLabels:
            {{- include "maintenance-mode.testLabels" $.root | nindent 12 }}
    {{- end }}
  {{- with .root.Values.networkPolicy.managementFrom }}
  - ports:
      - protocol: TCP
        port: 9090
    from:
      {{- toYaml . | nindent 6 }}
  {{- end }}
{{- end }}

{{/* Labels of an object that may have some of its own: (dict "root" $ "component" "metrics" "labels" …). */}}
{{- define "maintenance-mode.labelsWith" -}}
{{- merge (dict) .labels (include "maintenance-mode.labels" . | fromYaml) | toYaml }}
{{- end }}

{{/* What a monitor sets on each series, besides the namespace: where its job's name and its target's labels come from. */}}
{{- define "maintenance-mode.monitorLabels" -}}
jobLabel: app.kubernetes.io/name
podTargetLabels:
  - app.kubernetes.io/instance
  - app.kubernetes.io/component
{{- end }}

{{/* The PromQL matchers of this release's series, as the monitors label them. */}}
{{- define "maintenance-mode.series" -}}
job="maintenance-mode",namespace="{{ .Release.Namespace }}",app_kubernetes_io_instance="{{ .Release.Name }}"
{{- end }}

{{/* Where the alerts are explained. */}}
{{- define "maintenance-mode.runbook" -}}
{{ first .Chart.Sources }}/blob/main/docs/operations.md#alerts
{{- end }}
