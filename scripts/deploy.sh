#!/usr/bin/env bash
# Installs or upgrades a release of the chart beside this folder: see --help.
set -euo pipefail

namespace=demo-503
release=demo-app
chart=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/chart
context=
timeout=5m
dry_run=

usage() {
  cat <<USAGE
usage: ${0##*/} [-n NAMESPACE] [-r RELEASE] [--context CONTEXT] [--chart CHART] [--timeout DURATION] [--dry-run] [-- HELM ARGUMENTS...]

Installs the release, or upgrades it keeping its values, and waits until it is there.

  ${0##*/} -n shop -r shop -- --set expose.user.host=shop.example.org --set expose.admin.host=admin.shop.example.org

  -n, --namespace NAMESPACE   default $namespace; made if it is not there
  -r, --release RELEASE       default $release
      --context CONTEXT       of the kubeconfig; default: the current one
      --chart CHART           default: the chart of this repository
      --timeout DURATION      default $timeout
      --dry-run               print the helm command, and change nothing
The environment variable HELM names the client; default: helm.
USAGE
}

die() { printf '%s: %s\n' "${0##*/}" "$2" >&2; exit "$1"; }

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry_run=yes; shift; continue ;;
    --) shift; break ;;
    -n | --namespace | -r | --release | --context | --chart | --timeout) [ $# -ge 2 ] || die 64 "invalid $1: expected a value after it (--help tells more)" ;;
    *) die 64 "invalid argument \"$1\" (--help tells more)" ;;
  esac
  case $1 in
    -n | --namespace) namespace=$2 ;;
    -r | --release) release=$2 ;;
    --context) context=$2 ;;
    --chart) chart=$2 ;;
    --timeout) timeout=$2 ;;
  esac
  shift 2
done

helm=${HELM:-helm}
command -v "$helm" >/dev/null || die 1 "helm is not on PATH: install it, or name it in HELM"
version=$("$helm" version --short) || die 1 "$helm does not tell its version"

set -- --namespace "$namespace" --create-namespace ${context:+--kube-context "$context"} --wait --timeout "$timeout" "$@"
if status=$("$helm" status "$release" --namespace "$namespace" ${context:+--kube-context "$context"} 2>&1); then
  # --set alone would reset every value that is not named again.
  set -- "$@" --reset-then-reuse-values
  # Helm 4 can apply server-side, where a key that was patched by hand since is a conflict unless it is taken over;
  # on a release that Helm 3 installed it needs both. Helm 3 knows neither.
  case $version in v4.*) set -- "$@" --server-side=true --force-conflicts ;; esac
else
  case $status in
    *'not found'*) ;;
    *) die 1 "release $release in namespace $namespace cannot be looked up: $status" ;;
  esac
fi
set -- upgrade --install "$release" "$chart" "$@"
printf '%s' "$helm"; printf ' %q' "$@"; printf '\n'
[ -n "$dry_run" ] || exec "$helm" "$@"
