{{/* Names go through toYaml where they stand alone: it quotes what YAML would take for something else, such as the name no. */}}

{{/* What the objects' names start with. */}}
{{- define "maintenance-mode.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name -}}
{{- end }}

{{- define "maintenance-mode.configMapName" -}}
{{- .Values.configMapName | default (printf "%s-config" (include "maintenance-mode.fullname" .)) -}}
{{- end }}

{{- define "maintenance-mode.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* How people come in: route, ingress, httpRoute or none. */}}
{{- define "maintenance-mode.exposeType" -}}
{{- $auto := .Capabilities.APIVersions.Has "route.openshift.io/v1" | ternary "route" "ingress" -}}
{{- eq .Values.expose.type "auto" | ternary $auto .Values.expose.type -}}
{{- end }}

{{/* What a Service, a budget or a Deployment finds its pods by: (dict "root" $ "component" "user"). */}}
{{- define "maintenance-mode.selectorLabels" -}}
app.kubernetes.io/name: maintenance-mode
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/*
Metadata of an object, below its name: (dict "root" $ "component" "user" "labels" … "annotations" …), the last three
where it has some. Not of pods: a new version of the chart alone must not restart them.
*/}}
{{- define "maintenance-mode.metadata" -}}
namespace: {{ .root.Release.Namespace | toYaml }}
labels:
  {{- include "maintenance-mode.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
  {{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels of the pod of helm test, and what finds it. No other pod has them, so that no Service leads to it. */}}
{{- define "maintenance-mode.testLabels" -}}
app.kubernetes.io/name: maintenance-mode-test
maintenance-mode.github.io/test: {{ .Release.Name | toYaml }}
{{- end }}

{{/*
The entries of a kind, put into the dict that is given, (dict "root" $ "kind" "ingress"): `entries` has a map as
expose.user for each component that has an entry. The component is also the end of its Service's name.
*/}}
{{- define "maintenance-mode.entries" -}}
{{- $values := .root.Values }}
{{- $entries := dict }}
{{- if and (ne .kind "none") (eq .kind (include "maintenance-mode.exposeType" .root)) }}
{{- if eq $values.shape "tiers" }}
{{- if $values.expose.user.enabled }}{{ $_ := set $entries "user" $values.expose.user }}{{ end }}
{{- if $values.admin.enabled }}{{ $_ := set $entries "admin" $values.expose.admin }}{{ end }}
{{- else if $values.page.host }}
{{- /* In standby expose.user has its defaults, as the schema demands. */}}
{{- $_ := set $entries "page" (merge (dict "host" $values.page.host) $values.expose.user) }}
{{- end }}
{{- end }}
{{- $_ := set . "entries" $entries }}
{{- end }}

{{/*
Pods of a component, put into the dict that is given, (dict "root" $ "component" "page"):
  labels      their labels. Front Services find page pods by them: every key of a front Service's selector is there
  ports       where users come in: names by number, empty where a number is all that is asked for
  management  the number of the management port
Page pods alone have more ports than 8080: there are no front Services in the other shape.
*/}}
{{- define "maintenance-mode.pods" -}}
{{- $values := .root.Values }}
{{- $fullname := include "maintenance-mode.fullname" .root }}
{{- $labels := dict "app.kubernetes.io/name" "maintenance-mode" "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/component" .component }}
{{- if eq .component "page" }}{{ $_ := set $labels "maintenance-mode.github.io/page" $fullname }}{{ end }}
{{- $labels = merge $labels $values.page.labels $values.podLabels $values.commonLabels }}
{{- $names := list }}
{{- $ports := dict }}
{{- /* One that an overlay takes away is null. */}}
{{- range $values.frontServices }}{{ with . }}
{{- range $key, $_ := .selector }}
{{- if not (hasKey $labels $key) }}{{ $_ := set $labels $key (printf "%s-page" $fullname) }}{{ end }}
{{- end }}
{{- range .ports }}
{{- $target := .targetPort | default .port }}
{{- if kindIs "string" $target }}{{ $names = append $names $target | uniq }}{{ else }}{{ $_ := set $ports ($target | int | toString) "" }}{{ end }}
{{- end }}
{{- end }}{{ end }}
{{- $_ := set $ports "8080" (first $names | default "http") }}
{{- /* Each further name has the next free number: server-side apply refuses one number under two names. */}}
{{- $number := 8081 }}
{{- range $name := rest $names }}
{{- range until 100 }}{{ if hasKey $ports (toString $number) }}{{ $number = add1 $number }}{{ end }}{{ end }}
{{- $_ := set $ports (toString $number) $name }}
{{- end }}
{{- $management := 9090 }}
{{- range until 100 }}{{ if hasKey $ports (toString $management) }}{{ $management = add1 $management }}{{ end }}{{ end }}
{{- $_ := set . "labels" $labels }}
{{- $_ := set . "ports" $ports }}
{{- $_ := set . "management" (toString $management) }}
{{- end }}

{{/*
The live settings, named as the server names them. What is empty is left out, so that the server's own default rules.
int64, as a number from a file is a float to Helm and would be printed as 3.1536e+07.
*/}}
{{- define "maintenance-mode.configData" -}}
{{- $page := .Values.maintenance }}
{{- $data := dict
  "MAINTENANCE_TITLE" $page.title
  "MAINTENANCE_MESSAGE" $page.message
  "MAINTENANCE_CONTACT" $page.contact
  "MAINTENANCE_LANGUAGE" $page.language
  "MAINTENANCE_UNTIL" $page.until
  "MAINTENANCE_ACCENT" $page.accent
  "RETRY_AFTER" ($page.retryAfter | int64 | toString)
  "RETRY_JITTER" ($page.retryJitter | int64 | toString)
  "RESPONSE_FORMAT" $page.responseFormat
  "CORS_ALLOW_ORIGINS" (join " " $page.cors.allowOrigins)
}}
{{- range $language, $its := $page.translations }}
{{- $_ := set $data (printf "MAINTENANCE_TITLE.%s" $language) $its.title }}
{{- $_ := set $data (printf "MAINTENANCE_MESSAGE.%s" $language) $its.message }}
{{- end }}
{{- /* Page pods are always in maintenance: the toggle is elsewhere. */}}
{{- if and (kindIs "bool" $page.enabled) (eq .Values.shape "tiers") }}{{ $_ := set $data "MAINTENANCE_MODE" ($page.enabled | toString) }}{{ end }}
{{- range $name, $value := $data }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* A container's environment: as podTemplate. What is empty is left out. */}}
{{- define "maintenance-mode.env" -}}
{{- $values := .root.Values }}
{{- $env := dict
  "TIER" (eq .component "admin" | ternary "admin" "user")
  "CONFIG_DIR" "/etc/maintenance-mode/config"
  "PAGES_DIR" (empty $values.maintenance.pages | ternary "" "/etc/maintenance-mode/pages")
  "PAGES_SOURCES" (join " " $values.maintenance.pagesSources)
  "SHUTDOWN_DELAY" ($values.shutdown.delay | int64 | toString)
  "SHUTDOWN_TIMEOUT" ($values.shutdown.timeout | int64 | toString)
  "LOG_FORMAT" $values.logFormat
}}
{{- if ne .component "admin" }}
{{- $_ := set $env "HEALTH_PATH" $values.maintenance.healthPath }}
{{- $_ := set $env "HEALTH_USER_AGENTS" (join " " $values.maintenance.healthUserAgents | default "none") }}
{{- end }}
{{- if eq .component "page" }}
{{- $_ := set $env "STANDBY" "true" }}
{{- $_ := set $env "LISTEN" (printf "[::]:%s" (keys .ports | sortAlpha | join ",[::]:")) }}
{{- $_ := set $env "MANAGEMENT_LISTEN" (printf "[::]:%s" .management) }}
{{- end }}
{{- /* Each name once, as server-side apply demands. */}}
{{- range $values.extraEnv }}{{ $_ := unset $env .name }}{{ end }}
{{- range $name, $value := $env }}
{{- with $value }}
- name: {{ $name }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with and (eq .component "admin") $values.admin.auth.existingSecret }}
- name: ADMIN_USER
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: username}}
- name: ADMIN_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: password}}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The template of a Deployment's pods: (dict "root" $ "component" "user" "resources" … "readiness" "/readyz"), and
"annotations" and "extraContainers" where there are some.
*/}}
{{- define "maintenance-mode.podTemplate" -}}
{{- $values := .root.Values }}
{{- include "maintenance-mode.pods" . }}
{{- /* Below 1024 who is not root may listen all the same: a safe sysctl of the pod's own network. */}}
{{- $low := dict "name" "net.ipv4.ip_unprivileged_port_start" "value" "0" }}
{{- $podSecurityContext := $values.podSecurityContext | default dict }}
{{- $sysctls := $podSecurityContext.sysctls | default list }}
{{- range $sysctls }}{{ if eq .name $low.name }}{{ $low = dict }}{{ end }}{{ end }}
{{- range $number, $_ := .ports }}
{{- if and $low (lt (int $number) 1024) }}
{{- $podSecurityContext = merge (dict "sysctls" (append $sysctls $low)) $podSecurityContext }}
{{- end }}
{{- end -}}
metadata:
  {{- with merge (dict) (.annotations | default dict) $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- toYaml .labels | nindent 4 }}
spec:
  serviceAccountName: {{ include "maintenance-mode.fullname" .root | toYaml }}
  automountServiceAccountToken: false
  # The server reads its settings from the environment: no names of Services in it.
  enableServiceLinks: false
  # The delay and the timeout of the server, and 5 seconds before the kubelet kills it.
  terminationGracePeriodSeconds: {{ add $values.shutdown.delay $values.shutdown.timeout 5 }}
  {{- $set := pick $values "affinity" "nodeSelector" "priorityClassName" "tolerations" }}
  {{- range $key, $value := merge $set (dict "imagePullSecrets" $values.image.pullSecrets "securityContext" $podSecurityContext) }}
  {{- with $value }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  # Over the nodes where that can be had. Pods of a rollout's other side, which are about to go, do not count.
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "maintenance-mode.selectorLabels" . | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
  containers:
    - name: maintenance-mode
      image: {{ include "maintenance-mode.image" .root | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- range $key, $value := dict "securityContext" $values.securityContext "resources" .resources }}
      {{- with $value }}
      {{ $key }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      env:
        {{- include "maintenance-mode.env" . | trim | nindent 8 }}
      ports:
        {{- range $number, $name := .ports }}
        - containerPort: {{ $number }}
          {{- with $name }}
          name: {{ . | toYaml }}
          {{- end }}
        {{- end }}
        - containerPort: {{ .management }}
          name: management
      livenessProbe:
        httpGet: {path: /livez, port: management}
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 3
      # Each second, so that a rollout, which is how the mode changes, is quick.
      readinessProbe:
        httpGet: {path: {{ .readiness | quote }}, port: management}
        periodSeconds: 1
        timeoutSeconds: 3
        failureThreshold: 3
      # Whole directories: a subPath would never see a change.
      volumeMounts:
        - {name: config, mountPath: /etc/maintenance-mode/config, readOnly: true}
        {{- if $values.maintenance.pages }}
        - {name: pages, mountPath: /etc/maintenance-mode/pages, readOnly: true}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "maintenance-mode.configMapName" .root | quote }}}
    {{- with $values.maintenance.pages }}
    - name: pages
      configMap: {name: {{ . | quote }}}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
