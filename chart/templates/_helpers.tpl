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

{{/* What a Service, a budget or a Deployment finds its pods by: (dict "root" $ "component" "user"). */}}
{{- define "maintenance-mode.selectorLabels" -}}
app.kubernetes.io/name: maintenance-mode
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of objects. Not of pods: a new chart version alone must not restart them. */}}
{{- define "maintenance-mode.labels" -}}
{{ include "maintenance-mode.selectorLabels" . }}
{{ include "maintenance-mode.sharedLabels" .root }}
{{- end }}

{{/* Labels of every object, those of no component included. */}}
{{- define "maintenance-mode.sharedLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "maintenance-mode.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/*
The live settings, named as the server names them. What is empty is left out, so
that the server's own default rules. int64, as a number from a file is a float
to Helm and would be printed as 3.1536e+07.
*/}}
{{- define "maintenance-mode.configData" -}}
{{- $page := .Values.maintenance }}
{{- $data := dict
  "RETRY_AFTER" ($page.retryAfter | int64 | toString)
  "RETRY_JITTER" ($page.retryJitter | int64 | toString)
  "RESPONSE_FORMAT" $page.responseFormat
  "MAINTENANCE_LANGUAGE" $page.language
}}
{{- /* Page pods are always in maintenance: the toggle is elsewhere. */}}
{{- if and (kindIs "bool" $page.enabled) (eq (include "maintenance-mode.switch" .) "config") }}
{{- $_ := set $data "MAINTENANCE_MODE" ($page.enabled | toString) }}
{{- end }}
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
{{- with $text }}{{ $_ := set $data $name . }}{{ end }}
{{- end }}
{{- toYaml $data }}
{{- end }}

{{/* Name of the port where users come in. A Service whose selector is moved finds it by the application's own name. */}}
{{- define "maintenance-mode.portName" -}}
{{- if and (eq (include "maintenance-mode.switch" .) "selector") (kindIs "string" .Values.app.targetPort) }}{{ .Values.app.targetPort }}{{ else }}http{{ end -}}
{{- end }}

{{/* Number of that port; or else its number is the application's. */}}
{{- define "maintenance-mode.port" -}}
{{- if and (eq (include "maintenance-mode.switch" .) "selector") (not (kindIs "string" .Values.app.targetPort)) }}{{ .Values.app.targetPort | int64 }}{{ else }}8080{{ end -}}
{{- end }}

{{/* How a Service is reached from without: (dict "root" $ "tier" "user"). */}}
{{- define "maintenance-mode.serviceType" -}}
{{- $service := index .root.Values.service .tier -}}
type: {{ $service.type | default .root.Values.service.type }}
{{- with $service.loadBalancerClass }}
loadBalancerClass: {{ . | toYaml }}
{{- end }}
{{- with $service.loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What the chart itself has in a container's environment. */}}
{{- define "maintenance-mode.ownEnv" -}}
- name: TIER
  value: {{ .component }}
{{- if ne (include "maintenance-mode.switch" .root) "config" }}
- name: STANDBY
  value: "true"
{{- end }}
{{- if and (eq .component "user") .root.Values.maintenance.healthPath }}
- name: HEALTH_PATH
  value: {{ .root.Values.maintenance.healthPath | quote }}
{{- end }}
{{- if eq .component "user" }}
- name: HEALTH_USER_AGENTS
  value: {{ join " " .root.Values.maintenance.healthUserAgents | default "none" | quote }}
{{- end }}
{{- if .root.Values.maintenance.pages }}
- name: PAGES_DIR
  value: /etc/maintenance-mode/pages
{{- end }}
{{- with .root.Values.maintenance.pagesSources }}
- name: PAGES_SOURCES
  value: {{ join " " . | quote }}
{{- end }}
{{- if eq .component "admin" }}
{{- with .root.Values.admin.auth.existingSecret }}
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
{{- $port := include "maintenance-mode.port" .root }}
{{- if ne $port "8080" }}
- name: LISTEN
  value: "[::]:{{ $port }}"
{{- end }}
- name: CONFIG_DIR
  value: /etc/maintenance-mode/config
- name: SHUTDOWN_DELAY
  value: {{ .root.Values.shutdown.delay | int64 | quote }}
- name: SHUTDOWN_TIMEOUT
  value: {{ .root.Values.shutdown.timeout | int64 | quote }}
- name: LOG_FORMAT
  value: {{ .root.Values.logFormat | quote }}
{{- end }}

{{/* The pod's spec: (dict "root" $ "component" "user" "resources" … "readiness" "/readyz"). */}}
{{- define "maintenance-mode.podSpec" -}}
{{- $values := .root.Values -}}
{{- $port := include "maintenance-mode.port" .root | int64 -}}
{{- $podSecurityContext := $values.podSecurityContext | default dict -}}
{{- $low := dict "name" "net.ipv4.ip_unprivileged_port_start" "value" "0" }}
{{- $sysctls := $podSecurityContext.sysctls | default list }}
{{- $names := list }}
{{- range $sysctls }}{{ $names = append $names .name }}{{ end }}
{{- if and (lt $port 1024) (not (has $low.name $names)) }}
{{- /* Who is not root may listen there all the same: a safe sysctl of the pod's own network. */}}
{{- $podSecurityContext = merge (dict "sysctls" (append $sysctls $low)) $podSecurityContext }}
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
      - name: {{ include "maintenance-mode.portName" .root | toYaml }}
        containerPort: {{ $port }}
      - name: management
        containerPort: 9090
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
