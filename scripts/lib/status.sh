# Sourced by status.sh: what is switched, in which mode it is, and whether what users get agrees.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=release.sh
. "$(dirname "${BASH_SOURCE[0]}")/release.sh"

usage() {
  cat <<USAGE
usage: ${0##*/} [-n NAMESPACE] [-r RELEASE] [--context CONTEXT] [--url URL [--host HOST]] [--admin-url URL [--admin-host HOST]]

Tells what the release switches and in which mode it is, its user pods, and what the front door answers; before an
application of your own also its Services, the admins' way in, and the other ways in that still lead to it. The exit
status is 0 if all of it agrees, else 1. It changes nothing: whether what is switched is as a mode wants it, the API
server tells by a dry run of the patch, which needs the right to patch it.

$(common_options)
USAGE
}

# wrong SENTENCE: tells it, and is remembered.
wrong() { say "WRONG: $*"; bad=yes; }

# in_mode OBJECT MODE: whether the API server says that the patch to that mode would change nothing. Where it cannot be
# asked, `trouble` says why.
in_mode() {
  local patch said type=merge
  [ "$kind" = backend ] || type=json
  patch=$(k get "$1" -o jsonpath="{.metadata.annotations.maintenance-mode/to-$2}") || die "$1 cannot be read: see the message above"
  if [ -z "$patch" ]; then
    trouble="it has no annotation maintenance-mode/to-$2"
  elif said=$(k patch "$1" --type "$type" -p "$patch" --dry-run=server 2>&1); then
    case $said in *'(no change)'*) return 0 ;; esac
  else
    trouble=$said
  fi
  return 1
}

# names_page OBJECT: whether it names the page pods, where their patches cannot be compared.
names_page() {
  local value page
  case $1 in
    service/*) value=$(k get "$1" -o jsonpath='{.spec.selector}') ;;
    ingress/*) value=$(k get "$1" -o jsonpath='{.spec.rules[*].http.paths[*].backend.service.name}') ;;
    routes*) value=$(k get "$1" -o jsonpath='{.spec.to.name}') ;;
    *) value=$(k get "$1" -o jsonpath='{range .spec.rules[*].backendRefs[*]}{.name}{":"}{.weight}{" "}{end}') ;;
  esac || die "$1 cannot be read: see the message above"
  page=$(k get "$1" -o jsonpath='{.metadata.annotations.maintenance-mode/page}')
  case $1:" $value " in
    service/*:*'"maintenance-mode"'* | service/*:*"\"${page%-user}-page\""*) ;;
    service/* | *" $page:0 "*) return 1 ;;
    *" $page "* | *" $page:"*) ;;
    *) return 1 ;;
  esac
}

# Sets `mode` to maintenance or normal by what is switched, and to neither where that does not agree.
read_mode() {
  local object value trouble modes=''
  for object in $switched; do
    case $object in
      configmap/*)
        value=$(k get "$object" -o jsonpath='{.data.MAINTENANCE_MODE}') || die "$object cannot be read: see the message above"
        case $value in
          true) mode=maintenance ;;
          false | '') mode=normal ;;
          *)
            mode=neither
            wrong "$object: MAINTENANCE_MODE is \"$value\", neither true nor false: pods keep the mode they are in, and one that starts ends at once: run scripts/enable-maintenance.sh or scripts/disable-maintenance.sh"
            return ;;
        esac
        say "$object: $mode (MAINTENANCE_MODE is ${value:-unset})"
        return ;;
    esac
    trouble=''
    if in_mode "$object" normal; then
      mode=normal
    elif in_mode "$object" maintenance; then
      mode=maintenance
    elif [ -z "$trouble" ]; then
      mode=neither
      wrong "$object is in neither mode: fields of the other mode are left: run scripts/enable-maintenance.sh or scripts/disable-maintenance.sh"
    else
      if names_page "$object"; then mode=maintenance; else mode=normal; fi
      say "$object: told by the names in it alone, as its patches cannot be compared: $trouble"
    fi
    [ "$mode" = neither ] || say "$object: $mode"
    modes="$modes $mode"
  done
  case $modes in
    *neither*) mode=neither ;;
    *maintenance*normal* | *normal*maintenance*) mode=neither; wrong "not all of these are in the same mode: repeat the switch" ;;
  esac
}

status_pods() {
  local list pod ready answer trouble shown serving=''
  list=$(list_pods) || die "the user pods cannot be listed: see the message above"
  [ -n "$list" ] || wrong "no user pod is there: nobody would get the page"
  while IFS='|' read -r pod ready _; do
    [ -n "$pod" ] || continue
    ask_pod "$pod"
    case $kind:$answer in
      config:true) shown=maintenance ;;
      *:true) shown='stands by with the page' ;;
      *:false) shown=normal ;;
      *) shown="cannot be asked: $trouble" ;;
    esac
    say "pod/$pod: $shown$([ "$ready" = True ] || echo ', not Ready')"
    # One that is withdrawn in maintenance is not Ready, and answers.
    if [ "$ready" = True ] || [ -n "$answer" ]; then serving=yes; fi
    if [ "$ready" != True ]; then continue; fi
    case $kind:$mode:$shown in
      config:"$shown":* | *:'stands by'* | config:neither:*) ;;
      config:*:cannot*) wrong "pod/$pod should tell in which mode it is" ;;
      config:*) wrong "pod/$pod should be in mode $mode: it may need up to 90 s to follow" ;;
      # Whether they may be asked is a network policy's business.
      *:cannot*) ;;
      *) wrong "pod/$pod should show the page: the page pods stand by in maintenance" ;;
    esac
  done <<<"$list"
  [ -z "$list" ] || [ -n "$serving" ] || wrong "no user pod is Ready, and none answers: nobody would get the page"
}

status_application() {
  local service
  for service in $application; do
    count_ready "$service"
    if [ "$ready" -gt 0 ]; then say "service/$service: $ready ready endpoints"; else wrong "$lack"; fi
  done
}

# status_door WHO URL HOST WANTED NAMED: WANTED is maintenance, normal, neither, of which nothing can be wanted, or any:
# whatever is no error. NAMED is the URL as it was named at the command line, if it was.
status_door() {
  local status marker location trouble door
  if [ -z "$2" ]; then say "$1: not asked: $no_door"; return; fi
  command -v curl >/dev/null || { say "$1: $2 was not asked: curl is not on PATH"; return; }
  if ! ask_door "$1" "$2" "$3"; then
    say "$1: $door cannot be reached from here: $trouble"
    # The chart's own host may mean nothing here; one that is named should be there.
    [ -z "$5" ] || wrong "$door, which was named, should answer"
    return
  fi
  say "$1: $door answers $status${marker:+ with our marker}"
  case $4:$status:$marker in
    maintenance:503:on | normal:[1-4]* | any:[1-4]* | neither:*) ;;
    maintenance:503:*) wrong "that 503 is not ours: users see the router's page" ;;
    *) wrong "users and admins should get something else in mode $mode" ;;
  esac
}

main() {
  local mode=normal no_door bad='' named admin_named
  parse "" "$@"
  named=$url admin_named=$admin_url
  find_switched
  read_switched
  read_mode
  [ -z "$tracked" ] || say "synced by Argo CD: ${tracked%%:*}"
  status_pods
  [ "$kind" = config ] || status_application
  find_front_door
  status_door "front door" "$url" "$host" "$mode" "$named"
  if [ "$kind" != config ]; then
    find_admin_door
    status_door "admins' way in" "$admin_url" "$admin_host" any "$admin_named"
    report_other_ways
  fi
  [ -z "$bad" ]
}
