{{/* How users come in: route, ingress, httpRoute or none. */}}
{{- define "maintenance-mode.exposeType" -}}
{{- if ne .Values.expose.type "auto" -}}
{{ .Values.expose.type }}
{{- else if .Capabilities.APIVersions.Has "route.openshift.io/v1" -}}
route
{{- else -}}
ingress
{{- end -}}
{{- end }}

{{/* How a tier comes in by an object of this chart, or nothing where there is none: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.wayIn" -}}
{{- $enabled := eq .tier "user" | ternary .root.Values.expose.user.enabled .root.Values.admin.enabled }}
{{- $type := include "maintenance-mode.exposeType" .root }}
{{- if and $enabled (ne $type "none") }}{{ $type }}{{ end -}}
{{- end }}

{{/* Name of a tier's Ingress, HTTPRoute or first Route: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.wayName" -}}
{{- (index .root.Values.expose .tier).name | default (printf "%s-%s" (include "maintenance-mode.fullname" .root) .tier) -}}
{{- end }}

{{/* The hosts of a tier, as JSON: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.hosts" -}}
{{- $way := index .root.Values.expose .tier }}
{{- concat (list $way.host) $way.extraHosts | compact | toJson -}}
{{- end }}

{{/*
The paths of a tier and the Services behind them in each mode, as JSON, pass paths
first: (dict "root" $ "tier" "user"). A backend is a Service's name and port, and
whether it is this chart's; `object` is the Route of the path; `pass` says that the
path stays on the application.
*/}}
{{- define "maintenance-mode.paths" -}}
{{- $values := .root.Values }}
{{- $fullname := include "maintenance-mode.fullname" .root }}
{{- $switch := include "maintenance-mode.switch" .root }}
{{- $way := index $values.expose .tier }}
{{- $object := include "maintenance-mode.wayName" . }}
{{- $own := dict "name" (printf "%s-%s" $fullname .tier) "port" 80 "portName" "http" "ours" true }}
{{- $paths := list }}
{{- if ne $switch "backend" }}
{{- if and (eq $switch "selector") (eq .tier "user") }}
{{- $own = dict "name" (include "maintenance-mode.appServiceName" .root) "port" ($values.app.servicePort | int64) "portName" "http" "ours" true }}
{{- end }}
{{- $paths = list (dict "path" $way.path "pathType" $way.pathType "object" $object "pass" false "normal" $own "closed" $own) }}
{{- else if eq .tier "admin" }}
{{- $service := $values.app.admin.existingService.name | empty | ternary $values.app.existingService $values.app.admin.existingService }}
{{- $paths = list (dict "path" $way.path "pathType" $way.pathType "object" $object "pass" false "normal" $service "closed" $service) }}
{{- else }}
{{- range $values.expose.user.paths | default (list (dict "path" $way.path)) }}
{{- $service := merge (dict) (.service | default dict) (dict "port" 80 "portName" "") }}
{{- if not $service.name }}{{ $service = $values.app.existingService }}{{ end }}
{{- $name := .name | default (eq .path $way.path | ternary $object (include "maintenance-mode.pathName" (dict "name" $object "path" .path))) }}
{{- $paths = append $paths (dict "path" .path "pathType" (.pathType | default $way.pathType) "object" $name "pass" false "normal" $service "closed" $own) }}
{{- end }}
{{- $passed := list }}
{{- range $pass := $values.maintenance.passPaths }}
{{- /* The Service behind it in normal mode: that of the longest path which it is below. */}}
{{- $service := $values.app.existingService }}
{{- $length := 0 }}
{{- range $paths }}
{{- if and (hasPrefix (printf "%s/" (trimSuffix "/" .path)) (printf "%s/" (trimSuffix "/" $pass))) (gt (len .path) $length) }}
{{- $service = .normal }}
{{- $length = len .path }}
{{- end }}
{{- end }}
{{- $name := include "maintenance-mode.pathName" (dict "name" (printf "%s-pass" $object) "path" $pass) }}
{{- $passed = append $passed (dict "path" $pass "pathType" "Prefix" "object" $name "pass" true "normal" $service "closed" $service) }}
{{- end }}
{{- $paths = concat $passed $paths }}
{{- end }}
{{- toJson $paths }}
{{- end }}

{{/* Name of the Route of a path: (dict "name" "shop-user" "path" "/api/v1"). */}}
{{- define "maintenance-mode.pathName" -}}
{{- printf "%s-%s" .name (regexReplaceAll "[^a-z0-9]+" (lower .path) "-" | trimAll "-") | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* The first path of a tier that the toggle may move, and its Route, as an entry of maintenance-mode.paths: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.front" -}}
{{- $switched := list }}
{{- range include "maintenance-mode.paths" . | fromJsonArray }}{{ if not .pass }}{{ $switched = append $switched . }}{{ end }}{{ end }}
{{- first $switched | toJson }}
{{- end }}

{{/* http or https, as a tier's way in has it: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.scheme" -}}
{{- $way := index .root.Values.expose .tier }}
{{- $type := include "maintenance-mode.exposeType" .root }}
{{- $secure := not (empty $way.tls.secretName) }}
{{- if eq $type "route" }}{{ $secure = ne $way.tls.termination "none" }}{{ end }}
{{- if eq $type "httpRoute" }}
{{- range .root.Values.expose.parentRefs }}
{{- if or (hasPrefix "https" (.sectionName | default "")) (eq (.port | default 0 | int) 443) }}{{ $secure = true }}{{ end }}
{{- end }}
{{- end }}
{{- $secure | ternary "https" "http" }}
{{- end }}

{{/* The URL of a tier, where it is known: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.door" -}}
{{- $host := (index .root.Values.expose .tier).host }}
{{- if and $host (not (hasPrefix "*" $host)) (include "maintenance-mode.wayIn" .) }}
{{- printf "%s://%s%s" (include "maintenance-mode.scheme" .) $host (include "maintenance-mode.front" . | fromJson).path }}
{{- end -}}
{{- end }}

{{/*
Annotations of a tier's way in: (dict "root" $ "tier" "user"). Those for the
application's own backend only while users get there: our pods speak plain HTTP and
know no affinity.
*/}}
{{- define "maintenance-mode.wayAnnotations" -}}
{{- $way := index .root.Values.expose .tier }}
{{- $annotations := merge (dict) $way.annotations }}
{{- if and (eq .tier "user") (not (include "maintenance-mode.closed" .root)) }}
{{- $annotations = merge $annotations $way.appAnnotations }}
{{- end }}
{{- if and (eq .tier "admin") $way.allowFrom }}
{{- /* The old name and the new one: a router takes the one it knows. */}}
{{- $addresses := $way.allowFrom | join " " }}
{{- $annotations = merge (dict "haproxy.router.openshift.io/ip_whitelist" $addresses "haproxy.router.openshift.io/ip_allowlist" $addresses) $annotations }}
{{- end }}
{{- with merge (dict) $annotations .root.Values.commonAnnotations }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/*
The merge patch that puts a way in into a mode: (dict "root" $ "closed" true "spec" …).
With the annotations that are the application's.
*/}}
{{- define "maintenance-mode.wayPatch" -}}
{{- $patch := dict "spec" .spec }}
{{- with .root.Values.expose.user.appAnnotations }}
{{- $annotations := dict }}
{{- range $name, $value := . }}{{ $_ := set $annotations $name ($.closed | ternary nil $value) }}{{ end }}
{{- $_ := set $patch "metadata" (dict "annotations" $annotations) }}
{{- end }}
{{- toJson $patch }}
{{- end }}

{{/*
Whether the paths that stay on the application have an Ingress of their own, as
annotations go for all of one, and appAnnotations leave the users' Ingress in
maintenance; "true" or nothing.
*/}}
{{- define "maintenance-mode.passIngress" -}}
{{- if and (eq (include "maintenance-mode.wayIn" (dict "root" . "tier" "user")) "ingress") .Values.maintenance.passPaths .Values.expose.user.appAnnotations }}true{{ end -}}
{{- end }}

{{/*
Rules of a tier's Ingress, as JSON: (dict "root" $ "tier" "user" "closed" true). With
"only" "pass" or "switched" they are of those paths alone.
*/}}
{{- define "maintenance-mode.ingressRules" -}}
{{- $paths := list }}
{{- range include "maintenance-mode.paths" . | fromJsonArray }}
{{- $kind := .pass | ternary "pass" "switched" }}
{{- if eq $kind ($.only | default $kind) }}
{{- $backend := $.closed | ternary .closed .normal }}
{{- $port := $backend.ours | empty | ternary (dict "number" ($backend.port | int64)) (dict "name" "http") }}
{{- $paths = append $paths (dict "path" .path "pathType" .pathType "backend" (dict "service" (dict "name" $backend.name "port" $port))) }}
{{- end }}
{{- end }}
{{- if and (eq .tier "admin") (eq (include "maintenance-mode.switch" .root) "backend") }}
{{- $paths = concat $paths (include "maintenance-mode.standbyPaths" .root | fromJsonArray) }}
{{- end }}
{{- $http := dict "paths" $paths }}
{{- $rules := list }}
{{- range include "maintenance-mode.hosts" . | fromJsonArray }}
{{- $rules = append $rules (dict "host" . "http" $http) }}
{{- end }}
{{- $rules | default (list (dict "http" $http)) | toJson }}
{{- end }}

{{/*
Paths of the admin Ingress that nobody asks for. They name each Service that the
users' Ingress leads to in one mode only, as a controller that forgets a Service
which no Ingress names (Contour does) has no connection to it at the moment of the
switch. They are below the admins' own path, and so as well kept as that: users
reach the idle side in neither mode. No dot in them: ingress-nginx refuses one.
*/}}
{{- define "maintenance-mode.standbyPaths" -}}
{{- $paths := list }}
{{- $base := trimSuffix "/" .Values.expose.admin.path }}
{{- $seen := dict }}
{{- range include "maintenance-mode.paths" (dict "root" . "tier" "user") | fromJsonArray }}
{{- range $backend := list .normal .closed }}
{{- $path := printf "%s/maintenance-mode-standby/%s-%d" $base $backend.name ($backend.port | int64) }}
{{- if not (hasKey $seen $path) }}
{{- $_ := set $seen $path true }}
{{- $port := $backend.ours | empty | ternary (dict "number" ($backend.port | int64)) (dict "name" "http") }}
{{- $paths = append $paths (dict "path" $path "pathType" "Exact" "backend" (dict "service" (dict "name" $backend.name "port" $port))) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $paths }}
{{- end }}

{{/* Spec of a tier's Ingress: (dict "root" $ "tier" "user" "closed" true). */}}
{{- define "maintenance-mode.ingressSpec" -}}
{{- $way := index .root.Values.expose .tier }}
{{- $hosts := include "maintenance-mode.hosts" . | fromJsonArray }}
{{- $spec := dict "rules" (include "maintenance-mode.ingressRules" . | fromJsonArray) }}
{{- with .root.Values.expose.ingressClassName }}{{ $_ := set $spec "ingressClassName" . }}{{ end }}
{{- with $way.tls.secretName }}
{{- $tls := dict "secretName" . }}
{{- with $hosts }}{{ $_ := set $tls "hosts" . }}{{ end }}
{{- $_ := set $spec "tls" (list $tls) }}
{{- end }}
{{- toYaml $spec }}
{{- end }}

{{/* A backend of an HTTPRoute, as JSON, in full, as Argo CD compares it with what the API server makes of it: (dict "backend" … "weight" 100). */}}
{{- define "maintenance-mode.backendRef" -}}
{{- dict "group" "" "kind" "Service" "name" .backend.name "port" (.backend.port | int64) "weight" .weight | toJson }}
{{- end }}

{{/*
Rules of a tier's HTTPRoute, as JSON: (dict "root" $ "tier" "user" "closed" true).
Both sides of the switch are always named, with weights 100 and 0, so that the proxy
knows both before the switch.
*/}}
{{- define "maintenance-mode.httpRouteRules" -}}
{{- $way := index .root.Values.expose .tier }}
{{- $kinds := dict "Prefix" "PathPrefix" "Exact" "Exact" }}
{{- $bypass := dict }}
{{- if eq .tier "user" }}{{ $bypass = $way.bypass.header }}{{ end }}
{{- $rules := list }}
{{- range include "maintenance-mode.paths" . | fromJsonArray }}
{{- $path := dict "type" (get $kinds .pathType) "value" .path }}
{{- $switched := ne .normal.name .closed.name }}
{{- $live := not (and $switched $.closed) }}
{{- $backends := list (include "maintenance-mode.backendRef" (dict "backend" .normal "weight" ($live | ternary 100 0)) | fromJson) }}
{{- if $switched }}
{{- $backends = append $backends (include "maintenance-mode.backendRef" (dict "backend" .closed "weight" ($live | ternary 0 100)) | fromJson) }}
{{- if $bypass.name }}
{{- $match := dict "path" $path "headers" (list (dict "type" "Exact" "name" $bypass.name "value" $bypass.value)) }}
{{- $rule := dict "matches" (list $match) "backendRefs" (list (include "maintenance-mode.backendRef" (dict "backend" .normal "weight" 100) | fromJson)) }}
{{- with $way.filters }}{{ $_ := set $rule "filters" . }}{{ end }}
{{- with $way.timeouts }}{{ $_ := set $rule "timeouts" . }}{{ end }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- $rule := dict "matches" (list (dict "path" $path)) "backendRefs" $backends }}
{{- /* In maintenance none: a filter may mirror requests or rewrite them for the application. */}}
{{- if and $live $way.filters }}{{ $_ := set $rule "filters" $way.filters }}{{ end }}
{{- with $way.timeouts }}{{ $_ := set $rule "timeouts" . }}{{ end }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- toJson $rules }}
{{- end }}

{{/* Spec of a tier's HTTPRoute: (dict "root" $ "tier" "user" "closed" true). */}}
{{- define "maintenance-mode.httpRouteSpec" -}}
{{- $parents := list }}
{{- range .root.Values.expose.parentRefs }}
{{- $parent := dict "group" "gateway.networking.k8s.io" "kind" "Gateway" }}
{{- range $key, $value := . }}{{ $_ := set $parent $key $value }}{{ end }}
{{- $parents = append $parents $parent }}
{{- end }}
{{- $spec := dict "parentRefs" $parents "rules" (include "maintenance-mode.httpRouteRules" . | fromJsonArray) }}
{{- with include "maintenance-mode.hosts" . | fromJsonArray }}{{ $_ := set $spec "hostnames" . }}{{ end }}
{{- toYaml $spec }}
{{- end }}

{{/*
Spec of a Route, as JSON: (dict "root" $ "tier" "user" "closed" true "path" one of
maintenance-mode.paths). An empty host or path is left out: the API server refuses the
one and drops the other. The port is a name, as a Route's number would mean the pod's;
where the application's has none there is none in either mode, as what one mode alone
has outlives a Helm upgrade once a script has patched it in.
*/}}
{{- define "maintenance-mode.routeSpec" -}}
{{- $way := index .root.Values.expose .tier }}
{{- $backend := .closed | ternary .path.closed .path.normal }}
{{- $live := or .path.pass (not .closed) }}
{{- $spec := dict "to" (dict "kind" "Service" "name" $backend.name "weight" 100) "wildcardPolicy" "None" }}
{{- with $way.host }}{{ $_ := set $spec "host" . }}{{ end }}
{{- with $way.subdomain }}{{ $_ := set $spec "subdomain" . }}{{ end }}
{{- if ne .path.path "/" }}{{ $_ := set $spec "path" .path.path }}{{ end }}
{{- if .path.normal.portName }}{{ $_ := set $spec "port" (dict "targetPort" $backend.portName) }}{{ end }}
{{- if and (eq .tier "user") $way.alternateBackends }}
{{- $others := list }}
{{- range $way.alternateBackends }}{{ $others = append $others (dict "kind" "Service" "name" .name "weight" ($live | ternary (.weight | int64) 0)) }}{{ end }}
{{- $_ := set $spec "alternateBackends" $others }}
{{- end }}
{{- with $way.tls }}
{{- if ne .termination "none" }}
{{- $tls := dict "termination" .termination "insecureEdgeTerminationPolicy" .insecureEdgeTerminationPolicy }}
{{- with .certificate }}{{ $_ := set $tls "certificate" . }}{{ end }}
{{- with .key }}{{ $_ := set $tls "key" . }}{{ end }}
{{- with .caCertificate }}{{ $_ := set $tls "caCertificate" . }}{{ end }}
{{- with .externalCertificate }}{{ $_ := set $tls "externalCertificate" (dict "name" .) }}{{ end }}
{{- if eq .termination "reencrypt" }}
{{- /* The page pods speak plain HTTP. */}}
{{- if $live }}
{{- with .destinationCACertificate }}{{ $_ := set $tls "destinationCACertificate" . }}{{ end }}
{{- else }}
{{- $_ := set $tls "termination" "edge" }}
{{- end }}
{{- end }}
{{- $_ := set $spec "tls" $tls }}
{{- end }}
{{- end }}
{{- toJson $spec }}
{{- end }}

{{/* What of a Route's spec differs between the modes, for a merge patch: null where it is not there. As routeSpec. */}}
{{- define "maintenance-mode.routeChanges" -}}
{{- $spec := include "maintenance-mode.routeSpec" . | fromJson }}
{{- $changes := dict "to" $spec.to "port" $spec.port "alternateBackends" $spec.alternateBackends }}
{{- with $spec.tls }}
{{- $_ := set $changes "tls" (dict "termination" .termination "destinationCACertificate" .destinationCACertificate) }}
{{- end }}
{{- toJson $changes }}
{{- end }}
