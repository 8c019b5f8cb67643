# Sourced by enable-maintenance.sh and disable-maintenance.sh, which call `main MODE NAME ARGUMENTS...`:
# what MAINTENANCE_MODE becomes (true or false), and what that mode is called (maintenance or normal).
#
# Works with bash 3.2, with kubectl or oc, and without helm: so it works while a helm operation hangs.
# shellcheck shell=bash
set -euo pipefail

namespace=demo-503
release=demo-app
context=
timeout=120
url=
host=
dry_run=

# Seconds for which a pod that is not Ready and does not answer is waited for: it may be about to start.
patience=8

usage() {
  cat <<USAGE
usage: ${0##*/} [-n NAMESPACE] [-r RELEASE] [--context CONTEXT] [--timeout SECONDS] [--url URL [--host HOST]] [--dry-run]

Sets MAINTENANCE_MODE to $mode in the release's ConfigMap, makes every user pod read it at once, and returns
when each of them answers in the new mode. No pod restarts.

  -n, --namespace NAMESPACE   default $namespace
  -r, --release RELEASE       default $release
      --context CONTEXT       of the kubeconfig; default: the current one
      --timeout SECONDS       default $timeout
      --url URL               the front door; default: that of the user tier's Route or Ingress
      --host HOST             the Host header to send to URL
      --dry-run               say what would be done, and change nothing

The environment variable KUBECTL names the client; default: kubectl, else oc. It must be allowed to get, list and
patch configmaps and pods, and to get pods/proxy; get ingresses or routes for the front door.
USAGE
}

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
misuse() { printf '%s: %s (--help tells more)\n' "${0##*/}" "$*" >&2; exit 64; }

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --dry-run) dry_run=yes; shift; continue ;;
      -n | --namespace | -r | --release | --context | --timeout | --url | --host)
        [ -n "${2:-}" ] || misuse "$1 lacks its value" ;;
      *) misuse "\"$1\" is not understood" ;;
    esac
    case $1 in
      -n | --namespace) namespace=$2 ;;
      -r | --release) release=$2 ;;
      --context) context=$2 ;;
      --timeout) timeout=$2 ;;
      --url) url=$2 ;;
      --host) host=$2 ;;
    esac
    shift 2
  done
  case $timeout in *[!0-9]*) misuse "--timeout is \"$timeout\": it may be a whole number of seconds" ;; esac
  [ -z "$host" ] || [ -n "$url" ] || misuse "--host goes with --url"
  client=${KUBECTL:-$(command -v kubectl || command -v oc || true)}
  [ -n "$client" ] || die "neither kubectl nor oc is on PATH: install one of them, or name it in KUBECTL"
  command -v "$client" >/dev/null || die "KUBECTL is \"$client\": there is no such program"
  labels="app.kubernetes.io/name=maintenance-mode,app.kubernetes.io/instance=$release"
}

# k ARGUMENTS...: the client, in the namespace; a call that hangs ends by itself.
k() { "$client" ${context:+--context="$context"} --request-timeout=10s -n "$namespace" "$@"; }

# Sets `configmap`: the release's, of which there is exactly one.
find_configmap() {
  local found
  found=$(k get configmap -l "$labels,app.kubernetes.io/component=config" -o name) ||
    die "the ConfigMap of release $release in namespace $namespace cannot be read: see the message above"
  case $found in
    '') die "release $release has no ConfigMap in namespace $namespace: is it installed there? (-n and -r say where)" ;;
    *$'\n'*) die "release $release has more than one ConfigMap in namespace $namespace: $(tr '\n' ' ' <<<"$found")" ;;
  esac
  configmap=${found#configmap/}
}

# Who holds the key in the ConfigMap, other than people at a command line: "helm" where maintenance.enabled is set.
owner() {
  k get configmap "$configmap" --show-managed-fields \
    -o jsonpath='{range .metadata.managedFields[*]}{.manager}{" "}{.fieldsV1}{"\n"}{end}' |
    awk '/"f:MAINTENANCE_MODE"/ && $1 !~ /^(kubectl|oc)/ { print $1; exit }'
}

# A line for each user pod that is not going away and has not ended: NAME, and True where it is Ready.
list_pods() {
  k get pods -l "$labels,app.kubernetes.io/component=user" -o jsonpath='{range .items[*]}{.metadata.name}{"|"}{.metadata.deletionTimestamp}{"|"}{.status.phase}{"|"}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' |
    awk -F'|' '$1 != "" && $2 == "" && $3 != "Failed" && $3 != "Succeeded" { print $1 "|" $4 }'
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
    case $text in *orbidden*) die "configmap/$configmap is patched, but the pods cannot be asked: $text" ;; esac
  fi
}

# Asks each pod that has not yet been seen in the new mode. Sets `pods`, all of them, and `open`, those still awaited.
look() {
  local list pod ready
  if ! list=$(list_pods); then
    pods='' open=' (the pods cannot be listed)'
    return
  fi
  pods='' open=''
  while IFS='|' read -r pod ready; do
    [ -n "$pod" ] || continue
    pods="$pods $pod"
    case " $settled " in *" $pod "*) continue ;; esac
    ask_pod "$pod"
    if [ "$answer" = "$mode" ]; then
      say "pod/$pod: $name"
      settled="$settled $pod"
    elif [ -z "$answer" ] && [ "$ready" != True ] && [ $SECONDS -ge $patience ]; then
      case " $unready " in *" $pod "*) continue ;; esac
      say "pod/$pod: not Ready and does not answer, so it gets no requests: not waited for"
      unready="$unready $pod"
    else
      open="$open $pod:${answer:-no-answer}"
    fi
  done <<<"$list"
}

# Without this the kubelet looks at a pod's ConfigMap about once a minute.
make_kubelets_look() {
  local message
  # shellcheck disable=SC2086 # names of pods hold no spaces
  message=$(k annotate pod $pods --overwrite "maintenance-mode/refresh=$(date +%s)" 2>&1) && return
  case $message in
    *orbidden*)
      [ -n "$slow" ] || say "the user pods cannot be annotated, so their kubelets look in their own time, which takes up to 90 s: $message"
      slow=yes ;;
    # Anything else, such as a pod that has just gone away, is seen to by the next look.
  esac
}

await_pods() {
  local annotated=0 before=none
  settled='' unready='' slow='' trouble=''
  look
  # The kubelets must have seen the new ConfigMap before they are made to look.
  [ -z "$open" ] || sleep 1
  while :; do
    # Twice the same pods and none awaited: no other came up in between.
    [ -n "$open" ] || [ "$pods" != "$before" ] || break
    [ -z "$open" ] || [ $SECONDS -lt "$timeout" ] ||
      die "after $timeout s these user pods are not in mode $name:$open. configmap/$configmap is patched, and they may follow yet; this command can be repeated.${trouble:+ Last trouble: $trouble}"
    if [ -n "$open" ]; then before=none; else before=$pods; fi
    if [ -n "$open" ] && [ -n "$pods" ] && { [ "$annotated" = 0 ] || [ $((SECONDS - annotated)) -ge 2 ]; }; then
      make_kubelets_look
      annotated=$SECONDS
    fi
    sleep 0.3
    look
  done
  [ -n "$pods" ] || say "no user pod is there: those that start will be in mode $name"
}

# Sets `url` by the user tier's Route or Ingress; where there is none that can be asked, `no_door` says why.
find_front_door() {
  local kind found name host path tls address
  no_door="the release has no Route or Ingress (--url names one)"
  [ -z "$url" ] || return 0
  for kind in routes.route.openshift.io ingresses.networking.k8s.io; do
    found=$(k get "$kind" -l "$labels,app.kubernetes.io/component=user" -o jsonpath='{range .items[*]}{.metadata.name}{"|"}{.spec.host}{.spec.rules[0].host}{"|"}{.spec.path}{.spec.rules[0].http.paths[0].path}{"|"}{.spec.tls}{"|"}{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}{"\n"}{end}' 2>&1) || {
      # Most clusters have no Routes.
      case $found in *orbidden*) no_door="its ${kind%%.*} may not be read (--url names one)" ;; esac
      continue
    }
    [ -n "$found" ] || continue
    IFS='|' read -r name host path tls address <<<"$found"
    host=${host:-$address}
    if [ -z "$host" ]; then
      no_door="${kind%%.*}/$name has neither a host nor an address (--url names one)"
    else
      url=http${tls:+s}://$host${path:-/}
    fi
    return
  done
}

# Sets `status` and `marker` by one answer of the front door, over a connection of its own; fails where there is none.
ask_front_door() {
  local head
  # -k: nothing secret is sent, and a router's own certificate should not hide what users get.
  if ! head=$(curl -sSk -o /dev/null -D - --max-time 5 ${host:+-H "Host: $host"} "$url" 2>&1); then
    trouble=$head
    return 1
  fi
  read -r status marker <<<"$(tr -d '\r' <<<"$head" | awk 'NR == 1 { status = $2 } tolower($1) == "maintenance-mode:" { marker = $2 } END { print status, marker }')"
}

check_front_door() {
  local good=0 foreign=0 silent=0 status=nothing marker=''
  find_front_door
  if [ -z "$url" ]; then say "front door: not checked: $no_door"; return; fi
  command -v curl >/dev/null || { say "front door: $url was not checked: curl is not on PATH"; return; }
  # Five good ones in a row, each over a new connection: routers have several workers.
  while [ $good -lt 5 ]; do
    if ! ask_front_door; then
      good=0 silent=$((silent + 1))
      [ $silent -lt 3 ] || { say "front door: $url cannot be reached from here, so it was not checked: $trouble"; return; }
    else
      silent=0
      case $mode:$status:$marker in
        true:503:on) good=$((good + 1)) foreign=0 ;;
        true:503:*) good=0 foreign=$((foreign + 1)) ;;
        true:* | false:503:on | false:5*) good=0 foreign=0 ;;
        false:*) good=$((good + 1)) ;;
      esac
      if [ $foreign -ge 10 ]; then
        say "front door: $url answers 503, but without our marker (Maintenance-Mode: on): users see the router's page and not ours. That is what maintenance.endpoints=withdrawn does"
        return
      fi
    fi
    [ $good -gt 0 ] && continue
    [ $SECONDS -lt "$timeout" ] ||
      die "every user pod is in mode $name, but after $timeout s the front door $url answers $status$([ -z "$marker" ] || echo ' with our marker'): is there a cache before it, or does it lead elsewhere?"
    sleep 0.3
  done
  say "front door: $url answers $status in mode $name"
}

main() {
  local holder
  mode=$1 name=$2
  shift 2
  parse "$@"
  find_configmap
  if [ -n "$dry_run" ]; then
    say "would patch configmap/$configmap in namespace $namespace: MAINTENANCE_MODE=$mode"
    list_pods | while IFS='|' read -r pod _; do say "would annotate pod/$pod and ask it until it answers in mode $name"; done
    find_front_door
    if [ -n "$url" ]; then say "would check the front door $url"; else say "would check no front door: $no_door"; fi
    return
  fi
  holder=$(owner || true)
  if [ -n "$holder" ]; then
    say "note: $holder manages MAINTENANCE_MODE (maintenance.enabled is set): the next upgrade with that value takes this change back"
  fi
  SECONDS=0
  k patch configmap "$configmap" --type merge -p "{\"data\":{\"MAINTENANCE_MODE\":\"$mode\"}}" ||
    die "configmap/$configmap in namespace $namespace cannot be patched: nothing has changed"
  await_pods
  check_front_door
  say "$name is in force after $SECONDS s"
}
