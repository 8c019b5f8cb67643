{{/*
What the toggle moves.

  config    MAINTENANCE_MODE in the ConfigMap: the application is this chart's own
  backend   the backends of the users' Ingress, Routes or HTTPRoute (app.existingService)
  selector  the selector of the Service before the application's pods (app.podSelector)

In the last two the pods of the user tier are page pods: always in maintenance,
standing by for an application that is not this chart's.
*/}}
{{- define "maintenance-mode.switch" -}}
{{- if .Values.app.existingService.name -}}
backend
{{- else if .Values.app.podSelector -}}
selector
{{- else -}}
config
{{- end -}}
{{- end }}

{{/* "true" in maintenance as far as the values know, else nothing. */}}
{{- define "maintenance-mode.closed" -}}
{{- if eq (.Values.maintenance.enabled | toString) "true" }}true{{ end -}}
{{- end }}

{{/* The Service whose selector the toggle moves. */}}
{{- define "maintenance-mode.appServiceName" -}}
{{- .Values.app.serviceName | default (include "maintenance-mode.fullname" .) -}}
{{- end }}

{{/* Selector of the Service before the application's pods: (dict "root" $ "closed" true). */}}
{{- define "maintenance-mode.appSelector" -}}
{{- if .closed -}}
{{ include "maintenance-mode.pageSelector" .root }}
{{- else -}}
{{ toYaml .root.Values.app.podSelector }}
{{- end -}}
{{- end }}

{{/*
By what that Service finds the page pods: the keys of app.podSelector, all of them and
no other, so that the toggle changes values alone. Helm 3 merges what it renders with
what a script has patched: two sets of keys would become their union, which finds no pod.
*/}}
{{- define "maintenance-mode.pageSelector" -}}
{{- $own := include "maintenance-mode.selectorLabels" (dict "root" . "component" "user") | fromYaml }}
{{- $page := printf "%s-page" (include "maintenance-mode.fullname" .) }}
{{- $labels := dict }}
{{- range $key := keys .Values.app.podSelector }}{{ $_ := set $labels $key (get $own $key | default $page) }}{{ end }}
{{- toYaml $labels }}
{{- end }}

{{/* Names of the application's Services, in order, each once. */}}
{{- define "maintenance-mode.applicationServices" -}}
{{- if eq (include "maintenance-mode.switch" .) "selector" -}}
{{ include "maintenance-mode.fullname" . }}-admin
{{- else -}}
{{- $names := list }}
{{- range include "maintenance-mode.paths" (dict "root" . "tier" "user") | fromJsonArray }}
{{- $names = append $names .normal.name }}
{{- end }}
{{- range include "maintenance-mode.paths" (dict "root" . "tier" "admin") | fromJsonArray }}
{{- $names = append $names .normal.name }}
{{- end }}
{{- $names | uniq | join " " }}
{{- end -}}
{{- end }}

{{/*
The objects that the toggle patches, as kubectl takes them. On the user pods, where
whoever may list pods finds them; no mode changes it.
*/}}
{{- define "maintenance-mode.switched" -}}
{{- $switch := include "maintenance-mode.switch" . -}}
{{- if eq $switch "config" -}}
configmap/{{ include "maintenance-mode.configMapName" . }}
{{- else if eq $switch "selector" -}}
service/{{ include "maintenance-mode.appServiceName" . }}
{{- else -}}
{{- $type := include "maintenance-mode.exposeType" . }}
{{- if eq $type "route" }}
{{- $routes := list }}
{{- range include "maintenance-mode.paths" (dict "root" . "tier" "user") | fromJsonArray }}
{{- if not .pass }}{{ $routes = append $routes (printf "routes.route.openshift.io/%s" .object) }}{{ end }}
{{- end }}
{{- $routes | join " " }}
{{- else if eq $type "httpRoute" -}}
httproutes.gateway.networking.k8s.io/{{ include "maintenance-mode.wayName" (dict "root" . "tier" "user") }}
{{- else -}}
ingress/{{ include "maintenance-mode.wayName" (dict "root" . "tier" "user") }}
{{- end }}
{{- end -}}
{{- end }}

{{/* Label of an object that the toggle patches. */}}
{{- define "maintenance-mode.switchLabel" -}}
maintenance-mode/switch: {{ include "maintenance-mode.switch" . }}
{{- end }}

{{/*
Annotations of an object that the toggle patches: where to look whether it is in
force, and how the scripts patch it: (dict "root" $ "toNormal" … "toMaintenance" …),
the patches as what toJson takes; without them for the ConfigMap.
*/}}
{{- define "maintenance-mode.switchAnnotations" -}}
{{- $annotations := dict }}
{{- $users := dict "root" .root "tier" "user" }}
{{- with include "maintenance-mode.door" $users }}
{{- $_ := set $annotations "maintenance-mode/front-door" . }}
{{- end }}
{{- if include "maintenance-mode.wayIn" $users }}
{{- /* For a host that the router chooses. */}}
{{- $_ := set $annotations "maintenance-mode/front-path" (include "maintenance-mode.front" $users | fromJson).path }}
{{- end }}
{{- if ne (include "maintenance-mode.switch" .root) "config" }}
{{- with include "maintenance-mode.door" (dict "root" .root "tier" "admin") }}
{{- $_ := set $annotations "maintenance-mode/admin-door" . }}
{{- end }}
{{- $_ := set $annotations "maintenance-mode/page" (printf "%s-user" (include "maintenance-mode.fullname" .root)) }}
{{- $_ := set $annotations "maintenance-mode/application" (include "maintenance-mode.applicationServices" .root) }}
{{- $_ := set $annotations "maintenance-mode/to-normal" (toJson .toNormal) }}
{{- $_ := set $annotations "maintenance-mode/to-maintenance" (toJson .toMaintenance) }}
{{- end }}
{{- toYaml $annotations }}
{{- end }}
