{{/*
Names, namespaces and the like go through toYaml where they stand alone: it quotes those
that YAML would take for something else, such as a release no or a namespace 123.
*/}}

{{/* What the objects' names start with. */}}
{{- define "maintenance-mode.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name -}}
{{- end }}

{{- define "maintenance-mode.configMapName" -}}
{{- .Values.configMapName | default (printf "%s-config" (include "maintenance-mode.fullname" .)) -}}
{{- end }}

{{- define "maintenance-mode.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* How people come in: route, ingress, httpRoute or none. */}}
{{- define "maintenance-mode.exposeType" -}}
{{- if ne .Values.expose.type "auto" -}}
{{ .Values.expose.type }}
{{- else if .Capabilities.APIVersions.Has "route.openshift.io/v1" -}}
route
{{- else -}}
ingress
{{- end -}}
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
The entries, put into the dict that is given, (dict "root" $): `entries` has a map as expose.user for each
component that has an entry, which is also the end of its Service's name.
*/}}
{{- define "maintenance-mode.entries" -}}
{{- $values := .root.Values }}
{{- $entries := dict }}
{{- if eq (include "maintenance-mode.exposeType" .root) "none" }}
{{- else if eq $values.shape "standby" }}
{{- /* There expose.user has its defaults, as the schema demands. */}}
{{- with $values.page.host }}{{ $_ := set $entries "page" (merge (dict "host" .) $values.expose.user) }}{{ end }}
{{- else }}
{{- if $values.expose.user.enabled }}{{ $_ := set $entries "user" $values.expose.user }}{{ end }}
{{- if $values.admin.enabled }}{{ $_ := set $entries "admin" $values.expose.admin }}{{ end }}
{{- end }}
{{- $_ := set . "entries" $entries }}
{{- end }}

{{/*
The page pods, put into the dict that is given, (dict "root" $):
  labels      their labels, by which front Services find them: every key of a front Service's selector is among them
  ports       where users come in, each a number, and a name where it has one
  management  the number of the management port
*/}}
{{- define "maintenance-mode.page" -}}
{{- $values := .root.Values }}
{{- $fullname := include "maintenance-mode.fullname" .root }}
{{- $labels := dict
  "app.kubernetes.io/name" "maintenance-mode"
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/component" "page"
  "maintenance-mode.github.io/page" $fullname
}}
{{- $labels = merge $labels $values.page.labels $values.podLabels $values.commonLabels }}
{{- $names := list }}
{{- $numbers := list 8080 }}
{{- range $values.frontServices }}
{{- range $key, $_ := .selector }}
{{- if not (hasKey $labels $key) }}{{ $_ := set $labels $key (printf "%s-page" $fullname) }}{{ end }}
{{- end }}
{{- range .ports }}
{{- $target := .targetPort | default .port }}
{{- if kindIs "string" $target }}{{ $names = append $names $target }}{{ else }}{{ $numbers = append $numbers (int $target) }}{{ end }}
{{- end }}
{{- end }}
{{- $names = uniq $names }}
{{- $ports := list }}
{{- range $index, $number := uniq $numbers }}
{{- $ports = append $ports (dict "number" $number "name" (eq $index 0 | ternary (first $names | default "http") "")) }}
{{- end }}
{{- /* Each further name has a number of its own, as server-side apply refuses one number under two names. */}}
{{- $free := list }}
{{- range untilStep 8081 8281 1 }}{{ if not (has . $numbers) }}{{ $free = append $free . }}{{ end }}{{ end }}
{{- range $index, $name := rest $names }}
{{- $ports = append $ports (dict "number" (index $free $index) "name" $name) }}
{{- end }}
{{- $management := list }}
{{- range untilStep 9090 9290 1 }}{{ if not (has . $numbers) }}{{ $management = append $management . }}{{ end }}{{ end }}
{{- $_ := set . "labels" $labels }}
{{- $_ := set . "ports" $ports }}
{{- $_ := set . "management" (first $management) }}
{{- end }}

{{/*
The live settings, named as the server names them. What is empty is left out, so
that the server's own default rules. int64, as a number from a file is a float
to Helm and would be printed as 3.1536e+07.
*/}}
{{- define "maintenance-mode.configData" -}}
{{- $page := .Values.maintenance }}
{{- /* Page pods are always in maintenance: the toggle is elsewhere. */}}
{{- if and (kindIs "bool" $page.enabled) (eq .Values.shape "tiers") }}
MAINTENANCE_MODE: {{ $page.enabled | quote }}
{{- end }}
RETRY_AFTER: {{ $page.retryAfter | int64 | quote }}
RETRY_JITTER: {{ $page.retryJitter | int64 | quote }}
RESPONSE_FORMAT: {{ $page.responseFormat | quote }}
MAINTENANCE_LANGUAGE: {{ $page.language | quote }}
{{- $texts := dict
  "MAINTENANCE_TITLE" $page.title
  "MAINTENANCE_MESSAGE" $page.message
  "MAINTENANCE_CONTACT" $page.contact
  "MAINTENANCE_UNTIL" $page.until
  "MAINTENANCE_ACCENT" $page.accent
  "CORS_ALLOW_ORIGINS" (join " " $page.cors.allowOrigins)
}}
{{- range $language, $its := $page.translations }}
{{- $_ := set $texts (printf "MAINTENANCE_TITLE.%s" $language) $its.title }}
{{- $_ := set $texts (printf "MAINTENANCE_MESSAGE.%s" $language) $its.message }}
{{- end }}
{{- range $name, $text := $texts }}
{{- with $text }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* A container's environment: as podSpec. */}}
{{- define "maintenance-mode.env" -}}
{{- $values := .root.Values -}}
- name: TIER
  value: {{ eq .component "admin" | ternary "admin" "user" }}
{{- if eq .component "page" }}
- name: STANDBY
  value: "true"
{{- $listen := list }}
{{- range .ports }}{{ $listen = append $listen (printf "[::]:%d" .number) }}{{ end }}
- name: LISTEN
  value: {{ join "," $listen | quote }}
- name: MANAGEMENT_LISTEN
  value: "[::]:{{ .management }}"
{{- end }}
- name: CONFIG_DIR
  value: /etc/maintenance-mode/config
{{- if ne .component "admin" }}
{{- with $values.maintenance.healthPath }}
- name: HEALTH_PATH
  value: {{ . | quote }}
{{- end }}
- name: HEALTH_USER_AGENTS
  value: {{ join " " $values.maintenance.healthUserAgents | default "none" | quote }}
{{- end }}
{{- if $values.maintenance.pages }}
- name: PAGES_DIR
  value: /etc/maintenance-mode/pages
{{- end }}
{{- with $values.maintenance.pagesSources }}
- name: PAGES_SOURCES
  value: {{ join " " . | quote }}
{{- end }}
{{- if eq .component "admin" }}
{{- with $values.admin.auth.existingSecret }}
- name: ADMIN_USER
  valueFrom:
    secretKeyRef:
      name: {{ . | toYaml }}
      key: username
- name: ADMIN_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ . | toYaml }}
      key: password
{{- end }}
{{- end }}
- name: SHUTDOWN_DELAY
  value: {{ $values.shutdown.delay | int64 | quote }}
- name: SHUTDOWN_TIMEOUT
  value: {{ $values.shutdown.timeout | int64 | quote }}
{{- /* Each name once, as server-side apply demands. */}}
{{- $format := true }}
{{- range $values.extraEnv }}{{ if eq .name "LOG_FORMAT" }}{{ $format = false }}{{ end }}{{ end }}
{{- if $format }}
- name: LOG_FORMAT
  value: {{ $values.logFormat | quote }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The pod's spec: (dict "root" $ "component" "user" "resources" … "readiness" "/readyz"), of page pods with "ports"
and "management" as maintenance-mode.page has them, of the admin tier with "extraContainers".
*/}}
{{- define "maintenance-mode.podSpec" -}}
{{- $values := .root.Values -}}
{{- $ports := .ports | default (list (dict "number" 8080 "name" "http")) -}}
{{- $podSecurityContext := $values.podSecurityContext | default dict -}}
{{- $sysctls := $podSecurityContext.sysctls | default list }}
{{- $low := false }}
{{- range $ports }}{{ if lt .number 1024 }}{{ $low = true }}{{ end }}{{ end }}
{{- range $sysctls }}{{ if eq .name "net.ipv4.ip_unprivileged_port_start" }}{{ $low = false }}{{ end }}{{ end }}
{{- if $low }}
{{- /* Who is not root may listen there all the same: a safe sysctl of the pod's own network. */}}
{{- $sysctl := dict "name" "net.ipv4.ip_unprivileged_port_start" "value" "0" }}
{{- $podSecurityContext = merge (dict "sysctls" (append $sysctls $sysctl)) $podSecurityContext }}
{{- end -}}
serviceAccountName: {{ include "maintenance-mode.fullname" .root | toYaml }}
automountServiceAccountToken: false
# The server reads its settings from the environment: no names of Services in it.
enableServiceLinks: false
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
# The delay and the timeout of the server, and 5 seconds before the kubelet kills it.
terminationGracePeriodSeconds: {{ add $values.shutdown.delay $values.shutdown.timeout 5 }}
{{- with $podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | toYaml }}
{{- end }}
# Over the nodes where that can be had. Pods of the rollout's other side do not
# count, else the new ones would be spread around pods that are about to go.
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "maintenance-mode.selectorLabels" . | nindent 8 }}
    matchLabelKeys:
      - pod-template-hash
containers:
  - name: maintenance-mode
    image: {{ include "maintenance-mode.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    {{- with $values.securityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    env:
      {{- include "maintenance-mode.env" . | nindent 6 }}
    ports:
      {{- range $ports }}
      - containerPort: {{ .number }}
        {{- with .name }}
        name: {{ . | toYaml }}
        {{- end }}
      {{- end }}
      - containerPort: {{ .management | default 9090 }}
        name: management
    livenessProbe:
      httpGet:
        path: /livez
        port: management
      periodSeconds: 10
      timeoutSeconds: 3
      failureThreshold: 3
    # Each second, so that a rollout, which is how the mode changes, is quick.
    readinessProbe:
      httpGet:
        path: {{ .readiness }}
        port: management
      periodSeconds: 1
      timeoutSeconds: 3
      failureThreshold: 3
    {{- with .resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    # Whole directories: a subPath would never see a change.
    volumeMounts:
      - name: config
        mountPath: /etc/maintenance-mode/config
        readOnly: true
      {{- if $values.maintenance.pages }}
      - name: pages
        mountPath: /etc/maintenance-mode/pages
        readOnly: true
      {{- end }}
      {{- with $values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with .extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "maintenance-mode.configMapName" .root | toYaml }}
  {{- with $values.maintenance.pages }}
  - name: pages
    configMap:
      name: {{ . | toYaml }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
