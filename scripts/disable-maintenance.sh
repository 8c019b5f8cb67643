#!/usr/bin/env bash
# Users get the application again: disable-maintenance.sh [NAMESPACE [RELEASE]], by default the demo's, demo-503 and demo-app.
# The cluster is that of KUBECONFIG, or kubectl's current context. KUBECTL names another client.
set -euo pipefail
die() { echo "${0##*/}: $*" >&2; exit 1; }

case ${1:-} in -*) die "invalid argument \"$1\": expected disable-maintenance.sh [NAMESPACE [RELEASE]]" ;; esac
namespace=${1:-demo-503}
release=${2:-demo-app}
for kubectl in ${KUBECTL:-kubectl oc}; do command -v "$kubectl" >/dev/null && break; done || die "no client: expected kubectl or oc on PATH, or its name in KUBECTL"
k() { "$kubectl" --namespace "$namespace" "$@"; }

# The ConfigMap of the release, and what the release switches.
label=app.kubernetes.io/instance=$release,maintenance-mode.github.io/switch
user=app.kubernetes.io/instance=$release,app.kubernetes.io/component=user
kind=$(k get configmap -l "$label" -o 'jsonpath={.items[*].metadata.labels.maintenance-mode\.github\.io/switch}')
case $kind in
  config) ;;
  service) die "release $release in namespace $namespace is a standby release, which has no user tier: kubectl maintenance off $release -n $namespace" ;;
  *) die "namespace $namespace has no release $release: kubectl maintenance status -A lists those that there are" ;;
esac

k patch configmap "$(k get configmap -l "$label=config" -o 'jsonpath={.items[*].metadata.name}')" -p '{"data":{"MAINTENANCE_MODE":"false"}}'
k rollout restart deployment -l "$user"
k rollout status deployment -l "$user" --timeout 5m

echo "
Look at the pods:  $kubectl get pods -n $namespace -l $user
and at the users' address, such as the demo's:  curl -i http://localhost:8080/  (200)
A router may lag, and answer in the old mode for some seconds yet: kubectl maintenance off returns when no answer is old."
