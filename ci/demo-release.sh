# shellcheck shell=bash disable=SC2154 # what ./demo has set is used here
# The demo's release on its cluster. To be sourced by ./demo.

namespace=demo-503
release=demo-app
users=http://localhost:8080/
admins=http://localhost:8090/admin

h() { helm --kubeconfig "$KUBECONFIG" --kube-context "$context" --namespace "$namespace" "$@"; }

is_installed() { h status "$release" >/dev/null 2>&1; }

# install_release: with the names of docs/maintenance-demo.md, behind the node ports of kind-cluster.yaml.
install_release() {
  local again=''
  ! is_installed || again=yes
  helm_waits deploy
  [ -n "$again" ] || return 0
  # A new build under the same tag is another image, which the chart cannot see.
  k -n "$namespace" rollout restart deployment "$release-user" "$release-admin" >/dev/null
  k -n "$namespace" rollout status deployment "$release-user" --timeout 3m >/dev/null
  k -n "$namespace" rollout status deployment "$release-admin" --timeout 3m >/dev/null
}

deploy() {
  local arguments
  arguments=$(ci/image values) || return
  # shellcheck disable=SC2086 # arguments, of which none has a space
  scripts/deploy.sh "$namespace" "$release" $arguments --set configMapName=app-config \
    --set expose.type=none --set service.type=NodePort --set service.user.nodePort=30080 --set service.admin.nodePort=30081 >/dev/null
}

# plugin on|off|status: kubectl maintenance, as this clone has it, on the demo; or on what NAMESPACE and RELEASE name.
plugin() {
  local arguments=("$1" --context "$context" -n "${NAMESPACE:-$namespace}")
  command -v cargo >/dev/null || die "building the plugin needs Rust: https://rustup.rs/. scripts/enable-maintenance.sh and disable-maintenance.sh need kubectl alone"
  cargo build --quiet --locked --package kubectl-maintenance || die "the plugin could not be built"
  if [ -n "${NAMESPACE:-}${RELEASE:-}" ]; then
    arguments+=(${RELEASE:+"$RELEASE"})
  else
    is_installed || die "the release $release is not there: make kind-up"
    arguments+=("$release" --url "$users")
  fi
  exec "${CARGO_TARGET_DIR:-target}/debug/kubectl-maintenance" "${arguments[@]}"
}

tell() {
  cat <<TRY

  users   $users
  admins  $admins

Try:
  make maintenance-on       by the plugin: users get a 503 with the page, admins keep working
  make maintenance-off
  make status
  make kind-down            ends it all

  export KUBECONFIG=$KUBECONFIG PATH=\$PATH:$PWD/.bin
                            for what is not make: your own kubeconfig is left alone
  scripts/enable-maintenance.sh     by hand: patch, restart, look
  kubectl patch configmap app-config -n $namespace -p '{"data":{"MAINTENANCE_MODE":"true"}}'
TRY
}
