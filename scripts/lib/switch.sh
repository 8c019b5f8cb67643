# Sourced by enable-maintenance.sh and disable-maintenance.sh, which call `main MODE NAME ARGUMENTS...`:
# what MAINTENANCE_MODE becomes (true or false), and what that mode is called (maintenance or normal).
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=release.sh
. "$(dirname "${BASH_SOURCE[0]}")/release.sh"

# Seconds for which a pod that is not Ready and does not answer is waited for: it may be about to start.
patience=8

usage() {
  cat <<USAGE
usage: ${0##*/} [-n NAMESPACE] [-r RELEASE] [--context CONTEXT] [--timeout SECONDS] [--url URL [--host HOST]]
       [--admin-url URL [--admin-host HOST]] [--force] [--dry-run]

Puts the release's users into mode $name, and returns when that is in force. No pod restarts. It sets MAINTENANCE_MODE
to $mode in the ConfigMap and makes every user pod read it at once; before an application of your own it moves the
backend of the users' Ingress, Route or HTTPRoute, or the selector of its Service.

$(common_options)
      --timeout SECONDS       default $timeout
      --force                 go on though Argo CD would take the change back, no page pod is ready, or the
                              application does not answer
      --dry-run               say what would be done, and change nothing

The environment variable KUBECTL names the client; default: kubectl, else oc. It must be allowed to list and patch pods,
to get pods/proxy, and to get and patch what is switched; before an application of your own to get services and to list
endpointslices, ingresses, routes and httproutes too; where no pod is left, to list deployments (rbac.toggle.subjects
allows just that).
USAGE
}

# stop REASON: ends it, unless --force.
stop() {
  [ -n "$force" ] || die "$* Nothing has changed; --force goes on all the same."
  say "forced: $*"
}

# Argo CD takes back what it renders: always the object of an application of your own, else where the value is set.
check_tracking() { # HOLDER
  [ -n "$tracked" ] || return 0
  if [ "$kind" != config ] || [ -n "$1" ]; then
    stop "${switched%% *} is Argo CD's (${tracked%%:*}) and rendered from maintenance.enabled: self-heal takes this change back. Set maintenance.enabled=$mode in Git, or: argocd app set ${tracked%%:*} -p maintenance.enabled=$mode (with several sources add --source-position and the number of the chart's)."
  fi
}

# --- the ConfigMap ------------------------------------------------------------------------------

# Asks each pod that has not yet been seen in the new mode. Sets `pods`, all of them, and `open`, those still awaited.
look() {
  local list pod ready
  if ! list=$(list_pods); then
    pods='' open=' (the pods cannot be listed)'
    return
  fi
  pods='' open=''
  while IFS='|' read -r pod ready _; do
    [ -n "$pod" ] || continue
    pods="$pods $pod"
    case " $settled " in *" $pod "*) continue ;; esac
    ask_pod "$pod"
    case $answer:$trouble in :*orbidden*) die "$switched is patched, but the pods cannot be asked: $trouble" ;; esac
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
    if [ -n "$open" ]; then before=none; else before=$pods; fi
    if [ -n "$open" ] && [ -n "$pods" ] && { [ "$annotated" = 0 ] || [ $((SECONDS - annotated)) -ge 2 ]; }; then
      make_kubelets_look
      annotated=$SECONDS
    fi
    sleep 0.3
    look
    [ -z "$open" ] || [ $SECONDS -lt "$timeout" ] ||
      die "after $timeout s these user pods are not in mode $name:$open. $switched is patched, and they may follow yet; this command can be repeated.${trouble:+ Last trouble: $trouble}"
  done
  [ -n "$pods" ] || say "no user pod is there: those that start will be in mode $name"
}

switch_config() {
  local holder=$1 pod
  if [ -n "$dry_run" ]; then
    say "would patch $switched in namespace $namespace: MAINTENANCE_MODE=$mode"
    list_pods | while IFS='|' read -r pod _; do say "would annotate pod/$pod and ask it until it answers in mode $name"; done
    return
  fi
  [ -z "$holder" ] ||
    say "note: $holder manages MAINTENANCE_MODE (maintenance.enabled is set): the next upgrade with that value takes this change back"
  SECONDS=0
  k patch "$switched" --type merge -p "{\"data\":{\"MAINTENANCE_MODE\":\"$mode\"}}" ||
    die "$switched in namespace $namespace cannot be patched: nothing has changed"
  await_pods
}

# --- an application of your own -----------------------------------------------------------------

# Before users are let in again: whether there is something to let them in to.
check_application() {
  local service status marker location trouble no_door door=
  for service in $application; do
    count_ready "$service"
    if [ "$ready" -gt 0 ]; then say "service/$service: $ready ready endpoints"; else stop "$lack: users would get no answer."; fi
  done
  find_admin_door
  if [ -z "$admin_url" ]; then
    say "admins' way in: not checked: $no_door"
  elif ! command -v curl >/dev/null; then
    say "admins' way in: $admin_url was not checked: curl is not on PATH"
  elif ! ask_door "admins' way in" "$admin_url" "$admin_host"; then
    stop "the application cannot be asked at the admins' way in, $door: $trouble. (--admin-url and --admin-host name another way there.)"
  else
    case $status in
      5*) stop "the application answers $status at the admins' way in, $door." ;;
      *) say "admins' way in: $door answers $status" ;;
    esac
  fi
}

# Before users get the page: whether there is a pod that shows it, and, as it will be wanted, an application.
check_page() {
  local service
  for service in $application; do
    count_ready "$service"
    [ -z "$lack" ] || say "note: $lack"
  done
  case $(list_pods || true) in
    (*'|True|'*) ;;
    (*) stop "no page pod of release $release is Ready: users would get the router's own error." ;;
  esac
}

# Until the Service has endpoints of the new side alone.
await_selector() {
  local list page foreign own
  while :; do
    if ! list=$(endpoints "${switched#service/}" 2>&1); then
      say "$switched: its endpoints cannot be listed, so they were not waited for: $list"
      return
    fi
    # In spaces: an awk may take no newline there.
    page=$(list_pods | awk -F'|' '{ printf "%s ", $1 }' || true)
    own=$(awk -F'|' -v page="$page" 'BEGIN { split(page, list, " "); for (i in list) ours[list[i]] = 1 } $2 == "true" && ($1 in ours)' <<<"$list" | grep -c . || true)
    foreign=$(grep -c '|true$' <<<"$list" || true)
    foreign=$((foreign - own))
    case $mode in
      true) if [ "$own" -gt 0 ] && [ "$foreign" -eq 0 ]; then say "$switched: $own endpoints, all of them page pods"; return; fi ;;
      *) if [ "$own" -eq 0 ] && [ "$foreign" -gt 0 ]; then say "$switched: $foreign endpoints, none of them a page pod"; return; fi ;;
    esac
    [ $SECONDS -lt "$timeout" ] ||
      die "after $timeout s $switched has $own endpoints that are page pods and $foreign others. It is patched, and may follow yet; this command can be repeated."
    sleep 0.3
  done
}

switch_application() {
  local object patch type=merge done='' count=0 patches=()
  [ "$kind" = backend ] || type=json
  # All are read before the first is patched.
  for object in $switched; do
    patch=$(k get "$object" -o jsonpath="{.metadata.annotations.maintenance-mode/to-$name}") ||
      die "$object in namespace $namespace cannot be read: nothing has changed"
    [ -n "$patch" ] || die "$object has no annotation maintenance-mode/to-$name, by which it is switched: nothing has changed; helm upgrade renders it"
    patches+=("$patch")
  done
  if [ "$mode" = true ]; then check_page; else check_application; fi
  say "note: the toggle moves $switched: a patch of the ConfigMap has no effect here, and the next helm upgrade renders maintenance.enabled again"
  SECONDS=0
  for object in $switched; do
    patch=${patches[$count]}
    count=$((count + 1))
    if [ -n "$dry_run" ]; then
      say "would patch $object in namespace $namespace: $patch"
    elif ! k patch "$object" --type "$type" -p "$patch"; then
      [ -z "$done" ] || die "$object in namespace $namespace cannot be patched. In mode $name already:$done; as before: $object and what comes after it in $switched"
      die "$object in namespace $namespace cannot be patched: nothing has changed"
    fi
    done="$done $object"
  done
  [ -n "$dry_run" ] || [ "$kind" = backend ] || await_selector
}

# --- the front door -----------------------------------------------------------------------------

check_front_door() {
  local good=0 foreign=0 silent=0 status=nothing marker='' location='' trouble='' what=$switched door hint
  [ "$kind" != config ] || what='every user pod'
  checked=
  if [ -z "$url" ]; then say "front door: not checked: $no_door"; return; fi
  command -v curl >/dev/null || { say "front door: $url was not checked: curl is not on PATH"; return; }
  # Five good ones in a row, each over a new connection: routers have several workers.
  while [ $good -lt 5 ]; do
    if ask_door "front door" "$url" "$host"; then silent=0; else silent=$((silent + 1)); fi
    url=$door
    if [ $silent -gt 0 ]; then
      good=0
      [ $silent -lt 3 ] || {
        # The chart's own host may mean nothing here; one that is named should be there.
        [ -z "$named" ] || die "$what is in mode $name, but the front door $url cannot be reached from here: $trouble"
        say "front door: $url cannot be reached from here, so it was not checked: $trouble"
        return
      }
    else
      case $mode:$status:$marker in
        true:503:on) good=$((good + 1)) foreign=0 ;;
        true:503:*) good=0 foreign=$((foreign + 1)) ;;
        true:* | false:503:on | false:5*) good=0 foreign=0 ;;
        false:*) good=$((good + 1)) ;;
      esac
      if [ $foreign -ge 10 ] && [ "$kind" = config ]; then
        say "front door: $url answers 503, but without our marker (Maintenance-Mode: on): users see the router's page and not ours. That is what maintenance.endpoints=withdrawn does"
        return
      fi
    fi
    [ $good -gt 0 ] && continue
    if [ $SECONDS -ge "$timeout" ]; then
      hint='is there a cache before it, or does it lead elsewhere?'
      [ -z "$location" ] || hint="it leads to $location: --url names the address where users end up"
      die "$what is in mode $name, but after $timeout s the front door $url answers $status${marker:+ with our marker}: $hint"
    fi
    sleep 0.3
  done
  checked=yes
  say "front door: $url answers $status in mode $name"
}

main() {
  local holder='' named checked
  mode=$1 name=$2
  shift 2
  parse "--dry-run --force --timeout" "$@"
  named=$url
  find_switched
  read_switched
  [ "$kind" != config ] || holder=$(owner || true)
  check_tracking "$holder"
  case $kind in
    config) switch_config "$holder" ;;
    *) switch_application ;;
  esac
  find_front_door
  if [ -n "$dry_run" ]; then
    if [ -n "$url" ]; then say "would check the front door $url"; else say "would check no front door: $no_door"; fi
    return
  fi
  check_front_door
  [ "$kind" = config ] || [ "$mode" = false ] || report_other_ways
  say "$name is in force after $SECONDS s$([ -n "$checked" ] || echo "; the front door was not checked")"
}
