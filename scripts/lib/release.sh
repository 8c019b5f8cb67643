# Sourced by the operator's commands: their options, the client, and what a release has in the cluster.
#
# Works with bash 3.2, with kubectl or oc, and without helm: so it works while a helm operation hangs.
# shellcheck shell=bash disable=SC2034 # what is set here is read by those who source it
set -euo pipefail

namespace=demo-503
release=demo-app
context=
timeout=120
url=
host=
admin_url=
admin_host=
dry_run=
force=

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
misuse() { printf '%s: %s (--help tells more)\n' "${0##*/}" "$*" >&2; exit 64; }

# The options that every command knows, for its --help.
common_options() {
  cat <<OPTIONS
  -n, --namespace NAMESPACE   default $namespace
  -r, --release RELEASE       default $release
      --context CONTEXT       of the kubeconfig; default: the current one
      --url URL               the front door; default: what the chart or the users' Route or Ingress says
      --host HOST             the Host header to send to URL
      --admin-url URL         the admins' way in to an application of your own, where the chart does not know it
      --admin-host HOST       the Host header to send to that
OPTIONS
}

# parse FLAGS ARGUMENTS...: FLAGS are those of --dry-run, --force and --timeout that the command knows.
parse() {
  local flags=$1
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --dry-run | --force)
        case " $flags " in *" $1 "*) ;; *) misuse "invalid argument \"$1\"" ;; esac
        if [ "$1" = --force ]; then force=yes; else dry_run=yes; fi
        shift
        continue ;;
      --timeout)
        case " $flags " in *' --timeout '*) ;; *) misuse "invalid argument \"$1\"" ;; esac
        [ -n "${2:-}" ] || misuse "invalid $1: expected a value after it" ;;
      -n | --namespace | -r | --release | --context | --url | --host | --admin-url | --admin-host)
        [ -n "${2:-}" ] || misuse "invalid $1: expected a value after it" ;;
      *) misuse "invalid argument \"$1\"" ;;
    esac
    case $1 in
      -n | --namespace) namespace=$2 ;;
      -r | --release) release=$2 ;;
      --context) context=$2 ;;
      --timeout) timeout=$2 ;;
      --url) url=$2 ;;
      --host) host=$2 ;;
      --admin-url) admin_url=$2 ;;
      --admin-host) admin_host=$2 ;;
    esac
    shift 2
  done
  case $timeout in *[!0-9]*) misuse "invalid --timeout \"$timeout\": expected whole seconds" ;; esac
  is_url --url "$url"
  is_url --admin-url "$admin_url"
  [ -z "$host" ] || [ -n "$url" ] || misuse "--host goes with --url"
  [ -z "$admin_host" ] || [ -n "$admin_url" ] || misuse "--admin-host goes with --admin-url"
  client=${KUBECTL:-$(command -v kubectl || command -v oc || true)}
  [ -n "$client" ] || die "neither kubectl nor oc is on PATH: install one of them, or name it in KUBECTL"
  command -v "$client" >/dev/null || die "invalid KUBECTL \"$client\": expected a program that is there"
  labels="app.kubernetes.io/name=maintenance-mode,app.kubernetes.io/instance=$release"
}

is_url() { # OPTION VALUE
  case $2 in
    '' | http://?* | https://?*) ;;
    *) misuse "invalid $1 \"$2\": expected an address that begins with http:// or https://" ;;
  esac
}

# k ARGUMENTS...: the client, in the namespace; a call that hangs ends by itself.
k() { "$client" ${context:+--context="$context"} --request-timeout=10s -n "$namespace" "$@"; }

# A line for each user pod that is not going away and has not ended: NAME, True where it is Ready, and what its release
# switches.
list_pods() {
  k get pods -l "$labels,app.kubernetes.io/component=user" -o jsonpath='{range .items[*]}{.metadata.name}{"|"}{.metadata.deletionTimestamp}{"|"}{.status.phase}{"|"}{.status.conditions[?(@.type=="Ready")].status}{"|"}{.metadata.annotations.maintenance-mode/switch}{"\n"}{end}' |
    awk -F'|' '$1 != "" && $2 == "" && $3 != "Failed" && $3 != "Succeeded" { print $1 "|" $4 "|" $5 }'
}

# Sets `switched`, the objects that the toggle patches, and `kind`, which of them it is: config, backend or selector.
# The user pods tell: whoever may use this command may list pods. Where none is left, their Deployment tells.
find_switched() {
  local pods
  pods=$(list_pods) || die "the user pods of release $release in namespace $namespace cannot be listed: see the message above"
  switched=$(awk -F'|' 'NF { print $3 }' <<<"$pods" | sort -u)
  if [ -z "$switched" ]; then
    pods=$(k get deployments.apps -l "$labels,app.kubernetes.io/component=user" -o jsonpath='{range .items[*]}{"|"}{.spec.template.metadata.annotations.maintenance-mode/switch}{"\n"}{end}' 2>&1) ||
      die "release $release has no user pods in namespace $namespace, and its Deployment, which would tell what is switched, cannot be listed: $pods"
    switched=$(awk -F'|' '$1 == "" && $2 != "" { print $2 }' <<<"$pods" | sort -u)
  fi
  case $switched in
    '') die "release $release has no user pods in namespace $namespace: is it installed there? (-n and -r say where)" ;;
    *$'\n'*) die "the user pods of release $release do not agree on what is switched, as an upgrade is under way: repeat this when it has ended. They say: $(tr '\n' ' ' <<<"$switched")" ;;
    configmap/*) kind=config ;;
    service/*) kind=selector ;;
    *) kind=backend ;;
  esac
}

# Sets what the first switched object tells: `front_door`, `front_path`, `admin_door`, `application` (names of Services)
# and `tracked` (by Argo CD, and as what).
read_switched() {
  local text managers instance object=${switched%% *}
  text=$(k get "$object" --show-managed-fields -o jsonpath='{.metadata.annotations.maintenance-mode/front-door}{"\n"}{.metadata.annotations.maintenance-mode/front-path}{"\n"}{.metadata.annotations.maintenance-mode/admin-door}{"\n"}{.metadata.annotations.maintenance-mode/application}{"\n"}{.metadata.annotations.argocd\.argoproj\.io/tracking-id}{.metadata.labels.argocd\.argoproj\.io/instance}{"\n"}{.metadata.managedFields[*].manager}{"\n"}{.metadata.labels.app\.kubernetes\.io/instance}{"\n"}') ||
    die "$object of release $release in namespace $namespace cannot be read: see the message above"
  {
    read -r front_door
    read -r front_path
    read -r admin_door
    read -r application
    read -r tracked
    read -r managers
    read -r instance
  } <<<"$text" || true
  # Argo CD may also track by the label app.kubernetes.io/instance, or leave no mark; it always writes as argocd-….
  case " $managers" in *' argocd'*) tracked=${tracked:-$instance} ;; esac
}

# Who holds the key in the ConfigMap, other than people at a command line: "helm" where maintenance.enabled is set.
owner() {
  k get "$switched" --show-managed-fields \
    -o jsonpath='{range .metadata.managedFields[*]}{.manager}{" "}{.fieldsV1}{"\n"}{end}' |
    awk '/"f:MAINTENANCE_MODE"/ && $1 !~ /^(kubectl|oc)/ && !found { found = 1; print $1 }'
}

# Sets `answer` to what a pod is in, true or false, or to nothing where it does not answer; then `trouble` says why.
ask_pod() {
  local text
  answer=
  if text=$(k get --raw "/api/v1/namespaces/$namespace/pods/$1:9090/proxy/metrics" 2>&1); then
    answer=$(awk '$1 == "maintenance_mode" { print ($2 == 1 ? "true" : "false") }' <<<"$text")
    trouble="pod/$1 has no metric maintenance_mode"
  else
    trouble=$text
  fi
}

# find_door COMPONENT: sets `door` to the URL of a tier's Route or Ingress; where there is none that can be asked,
# `no_door` says why.
find_door() {
  local resource found name admitted named path tls address
  door=
  no_door="the release has no Route or Ingress whose host is known"
  for resource in routes.route.openshift.io ingresses.networking.k8s.io; do
    found=$(k get "$resource" -l "$labels,app.kubernetes.io/component=$1" -o jsonpath='{range .items[*]}{.metadata.name}{"|"}{.status.ingress[*].host}{"|"}{.spec.host}{.spec.rules[0].host}{"|"}{.spec.path}{.spec.rules[0].http.paths[0].path}{"|"}{.spec.tls}{"|"}{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}{"\n"}{end}' 2>&1) || {
      # Most clusters have no Routes.
      case $found in *orbidden*) no_door="its ${resource%%.*} may not be read" ;; esac
      continue
    }
    found=$(awk -F'|' 'NF == 6 && !found { found = 1; print }' <<<"$found")
    [ -n "$found" ] || continue
    IFS='|' read -r name admitted named path tls address <<<"$found"
    # A Route with a subdomain gets its host from the router.
    [ -z "$admitted" ] || named=${admitted%% *}
    named=${named:-$address}
    # The users' first path may be one that stays on the application.
    if [ "$1" = user ]; then
      [ "$kind" != backend ] || path=
      path=${front_path:-$path}
    fi
    if [ -z "$named" ]; then
      no_door="${resource%%.*}/$name has neither a host nor an address"
    else
      door=http${tls:+s}://$named${path:-/}
    fi
    return
  done
}

# Sets `url` to the front door; where there is none that can be asked, `no_door` says why.
find_front_door() {
  local door
  url=${url:-$front_door}
  [ -z "$url" ] || return 0
  find_door user
  no_door="$no_door (--url names one)"
  url=$door
}

# Sets `admin_url` to the admins' way in, as find_front_door does.
find_admin_door() {
  local door
  admin_url=${admin_url:-$admin_door}
  [ -z "$admin_url" ] || return 0
  find_door admin
  no_door="$no_door (--admin-url names one)"
  admin_url=$door
}

# ask_door WHO URL HOST: sets `status`, `marker` and `location` by one answer, over a connection of its own, and `door`
# to the URL that gave it; fails where there is none. A host that leads to itself over https is followed there.
ask_door() {
  door=$2
  ask_once "$door" "$3" || return
  if [ -n "$3" ] || ! leads_to_https "$door"; then return 0; fi
  say "$1: $door redirects to $location, so that is asked"
  door=$location
  ask_once "$door" ''
}

ask_once() { # URL HOST
  local head
  # -k: nothing secret is sent, and a router's own certificate should not hide what users get.
  if ! head=$(curl -sSk -o /dev/null -D - --max-time 5 ${2:+-H "Host: $2"} "$1" 2>&1); then
    trouble=$head
    return 1
  fi
  # The last head is the answer: a proxy's comes before it.
  head=$(tr -d '\r' <<<"$head" | awk '
    /^HTTP\// { status = $2; marker = ""; location = "" }
    tolower($1) == "maintenance-mode:" { marker = $2 }
    tolower($1) == "location:" { location = $2 }
    END { print status "|" marker "|" location }')
  IFS='|' read -r status marker location <<<"$head"
}

leads_to_https() { # URL
  local here=${1#http://} there=${location#https://}
  case $status in 301 | 302 | 303 | 307 | 308) ;; *) return 1 ;; esac
  [ "$here" != "$1" ] && [ "$there" != "$location" ] || return 1
  here=${here%%[/?#]*}
  there=${there%%[/?#]*}
  [ "${here%:*}" = "${there%:*}" ]
}

# --- an application of your own -----------------------------------------------------------------

# endpoints SERVICE: a line for each of its endpoints: its pod, and true where it is ready, as one is that does not say.
endpoints() {
  k get endpointslices -l "kubernetes.io/service-name=$1" -o jsonpath='{range .items[*].endpoints[*]}{.targetRef.name}{"|"}{.conditions.ready}{"\n"}{end}' | sed 's/|$/|true/'
}

# Sets `ready` to how many ready endpoints a Service has, and where there are none `lack` says what is the matter.
count_ready() { # SERVICE
  local list
  ready=0 lack=
  if ! list=$(endpoints "$1" 2>&1); then
    lack="the endpoints of service/$1 cannot be listed: $list"
    return
  fi
  ready=$(grep -c '|true$' <<<"$list" || true)
  [ "$ready" -gt 0 ] && return
  lack="service/$1 has no ready endpoint"
  if list=$(k get service "$1" -o name 2>&1); then return; fi
  case $list in *'not found'* | *NotFound*) lack="service/$1 is not there" ;; esac
}

# The names of the Services that lead to the application: its own, and whichever shares a pod with these; but not the one
# that the toggle moves.
application_services() {
  local slices
  slices=$(k get endpointslices -o jsonpath='{range .items[*]}{.metadata.labels.kubernetes\.io/service-name}{"|"}{.endpoints[*].targetRef.name}{"\n"}{end}') || return
  awk -F'|' -v own="$application" -v moved="${switched#service/}" '
    BEGIN { n = split(own, list, " "); for (i = 1; i <= n; i++) ours[list[i]] = 1 }
    { service[NR] = $1; pods[NR] = $2 }
    ($1 in ours) { n = split($2, list, " "); for (i = 1; i <= n; i++) theirs[list[i]] = 1 }
    END {
      for (j = 1; j <= NR; j++) { n = split(pods[j], list, " "); for (i = 1; i <= n; i++) if (list[i] in theirs) ours[service[j]] = 1 }
      for (name in ours) if (name != "" && name != moved) print name
    }' <<<"$slices"
}

# Says which other ways in still lead to the application, and what no way in stops.
report_other_ways() {
  local services resource backends found others='' unknown=''
  if ! services=$(application_services 2>/dev/null); then
    say "other ways in: not looked for: the endpoints of the Services cannot be listed"
  else
    for resource in ingresses.networking.k8s.io routes.route.openshift.io httproutes.gateway.networking.k8s.io; do
      case $resource in
        ingresses*) backends='{.spec.defaultBackend.service.name}{" "}{.spec.rules[*].http.paths[*].backend.service.name}' ;;
        routes*) backends='{.spec.to.name}{" "}{.spec.alternateBackends[*].name}' ;;
        *) backends='{.spec.rules[*].backendRefs[*].name}' ;;
      esac
      found=$(k get "$resource" -o jsonpath="{range .items[*]}{.metadata.name}{\"|\"}{.metadata.labels.app\\.kubernetes\\.io/instance}{\"|\"}$backends{\"\\n\"}{end}" 2>&1) || {
        # A cluster without that API has no such way in.
        case $found in *orbidden*) unknown="$unknown ${resource%%.*}" ;; esac
        continue
      }
      others=$others$(awk -F'|' -v resource="${resource%%.*}" -v services="$(tr '\n' ' ' <<<"$services")" -v release="$release" '
        BEGIN { split(services, list, " "); for (i in list) ours[list[i]] = 1 }
        $2 != release { n = split($3, names, " "); for (i = 1; i <= n; i++) if (names[i] in ours) { printf " %s/%s", resource, $1; break } }' <<<"$found")
    done
    if [ -n "$others" ]; then
      say "other ways in that still lead to the application:$others"
    else
      say "other ways in to the application in this namespace: none"
    fi
    [ -z "$unknown" ] || say "other ways in that may not be listed:$unknown"
  fi
  say "callers inside the cluster, jobs and workers are not stopped"
}
