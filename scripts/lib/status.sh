# Sourced by status.sh: what is switched, in which mode it is, and whether what users get agrees.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=release.sh
. "$(dirname "${BASH_SOURCE[0]}")/release.sh"

usage() {
  cat <<USAGE
usage: ${0##*/} [-n NAMESPACE] [-r RELEASE] [--context CONTEXT] [--url URL [--host HOST]] [--admin-url URL [--admin-host HOST]]

Tells what the release switches and in which mode it is, its user pods, and what the front door answers; before an
application of your own also its Services, the admins' way in, and the other ways in that still lead to it. The exit
status is 0 if all of it agrees, else 1. It changes nothing.

$(common_options)
USAGE
}

# wrong SENTENCE: tells it, and is remembered.
wrong() { say "WRONG: $*"; bad=yes; }

# Sets `mode` to maintenance or normal, by what is switched.
read_mode() {
  local object value modes=''
  for object in $switched; do
    case $object in
      configmap/*) value=$(k get "$object" -o jsonpath='{.data.MAINTENANCE_MODE}') ;;
      service/*) value=$(k get "$object" -o jsonpath='{.spec.selector.app\.kubernetes\.io/name}') ;;
      ingress/*) value=$(k get "$object" -o jsonpath='{.spec.rules[*].http.paths[*].backend.service.name}') ;;
      routes*) value=$(k get "$object" -o jsonpath='{.spec.to.name}') ;;
      *) value=$(k get "$object" -o jsonpath='{range .spec.rules[*].backendRefs[*]}{.name}{":"}{.weight}{" "}{end}') ;;
    esac || die "$object cannot be read: see the message above"
    case $object in
      configmap/*) if [ "$value" = true ]; then mode=maintenance; else mode=normal; fi ;;
      service/*) if [ "$value" = maintenance-mode ]; then mode=maintenance; else mode=normal; fi ;;
      *) case " $value " in
           *" $page:0 "*) mode=normal ;;
           *" $page "* | *" $page:"*) mode=maintenance ;;
           *) mode=normal ;;
         esac ;;
    esac
    case $object in
      configmap/*) say "$object: $mode (MAINTENANCE_MODE is ${value:-unset})" ;;
      *) say "$object: $mode" ;;
    esac
    modes="$modes $mode"
  done
  case $modes in *maintenance*normal* | *normal*maintenance*) wrong "not all of these are in the same mode: repeat the switch" ;; esac
}

status_pods() {
  local pod ready answer trouble shown
  while IFS='|' read -r pod ready _; do
    [ -n "$pod" ] || continue
    ask_pod "$pod"
    case $answer in
      true) shown=maintenance ;;
      false) shown=normal ;;
      *) shown="no answer: $trouble" ;;
    esac
    say "pod/$pod: $shown$([ "$ready" = True ] || echo ', not Ready')"
    if [ "$ready" != True ]; then continue; fi
    case $kind:$shown in
      config:"$mode" | backend:maintenance | selector:maintenance) ;;
      config:*) wrong "pod/$pod should be in mode $mode: it may need up to 90 s to follow" ;;
      *) wrong "pod/$pod should show the page: the page pods stand by in maintenance" ;;
    esac
  done <<<"$(list_pods)"
}

status_application() {
  local service
  for service in $application; do
    count_ready "$service"
    if [ "$ready" -gt 0 ]; then say "service/$service: $ready ready endpoints"; else wrong "$lack"; fi
  done
}

# status_door WHO URL HOST WANTED: WANTED is maintenance, normal, or any: whatever is no error.
status_door() {
  local status marker trouble
  if [ -z "$2" ]; then say "$1: not asked: its URL is not known"; return; fi
  command -v curl >/dev/null || { say "$1: $2 was not asked: curl is not on PATH"; return; }
  if ! ask_door "$2" "$3"; then say "$1: $2 cannot be reached from here: $trouble"; return; fi
  say "$1: $2 answers $status${marker:+ with our marker}"
  case $4:$status:$marker in
    maintenance:503:on | normal:[1-4]* | any:[1-4]*) ;;
    maintenance:503:*) wrong "that 503 is not ours: users see the router's page" ;;
    *) wrong "users and admins should get something else in mode $mode" ;;
  esac
}

main() {
  local mode=normal page bad=''
  parse "" "$@"
  find_switched
  read_switched
  page=$(k get "${switched%% *}" -o jsonpath='{.metadata.annotations.maintenance-mode/page}')
  read_mode
  [ -z "$tracked" ] || say "synced by Argo CD: ${tracked%%:*}"
  status_pods
  [ "$kind" = config ] || status_application
  find_front_door
  status_door "front door" "$url" "$host" "$mode"
  if [ "$kind" != config ]; then
    status_door "admins' way in" "${admin_url:-$admin_door}" "$admin_host" any
    report_other_ways
  fi
  [ -z "$bad" ]
}
