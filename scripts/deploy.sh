#!/usr/bin/env bash
# Installs a release of the chart, or upgrades it and keeps its values: deploy.sh [NAMESPACE [RELEASE [HELM ARGUMENT...]]],
# by default the demo's, demo-503 and demo-app. The cluster is that of KUBECONFIG, or the current context. HELM names another helm.
#   scripts/deploy.sh shop shop --set expose.user.host=shop.example.org --set expose.admin.host=admin.shop.example.org
set -euo pipefail
die() { echo "${0##*/}: $*" >&2; exit 1; }

case ${1:-} in -*) die "invalid argument \"$1\": expected deploy.sh [NAMESPACE [RELEASE [HELM ARGUMENT...]]]" ;; esac
namespace=${1:-demo-503}
release=${2:-demo-app}
chart=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/chart
shift $(($# < 2 ? $# : 2))
helm=${HELM:-helm}
command -v "$helm" >/dev/null || die "no helm: expected it on PATH, or its name in HELM"
version=$("$helm" version --short)

# By --set alone each value that is not named again would be the chart's own again.
set -- upgrade --install "$release" "$chart" --namespace "$namespace" --create-namespace --wait --timeout 5m --reset-then-reuse-values "$@"
# Who says the mode takes it over from whoever has switched since; else Helm 4 stops, and ends no maintenance. Helm 3 knows neither flag.
case "$version $*" in v4.*maintenance.enabled=*) set -- "$@" --server-side=true --force-conflicts ;; esac
printf '%s' "$helm"; printf ' %q' "$@"; echo
"$helm" "$@" || die "helm failed. Where it names a conflict with kubectl, somebody has switched: say the mode, such as --set maintenance.enabled=true"

echo "
Look at the pods:  kubectl get pods -n $namespace -l app.kubernetes.io/instance=$release
A router may lag, and ask pods that have ended for some seconds yet: kubectl maintenance status shows what users get."
