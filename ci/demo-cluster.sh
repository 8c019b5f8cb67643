# shellcheck shell=bash disable=SC2154 # what ./demo has set is used here
# The demo's cluster: kind's, or the one that ci/airgap has in its place. To be sourced by ./demo.

cluster=maintenance-mode
context=kind-$cluster

k() { kubectl --kubeconfig "$KUBECONFIG" --context "$context" "$@"; }

exists() { kind get clusters 2>/dev/null | grep -qx "$cluster"; }

create_cluster() { exists || kind create cluster --name "$cluster" --config kind-cluster.yaml >&2; }

need_cluster() {
  exists || die "there is no cluster $cluster: make kind-up"
  kind export kubeconfig --name "$cluster" --kubeconfig "$KUBECONFIG" >/dev/null 2>&1 || die "kind does not tell the kubeconfig of $cluster"
}

delete_cluster() {
  if exists; then kind delete cluster --name "$cluster" --kubeconfig "$KUBECONFIG" >&2; fi
  rm -f "$KUBECONFIG"
}

load_image() { # IMAGE
  if docker_answers; then
    kind load docker-image "$1" --name "$cluster" >&2
  else
    podman save --output .run/image.tar "$1" >&2
    kind load image-archive .run/image.tar --name "$cluster" >&2
    rm -f .run/image.tar
  fi
}

# install_metrics: metrics-server, which kind lacks, for the HPA's figures.
install_metrics() {
  k get --raw /apis/metrics.k8s.io/v1beta1 >/dev/null 2>&1 && return
  say "installing metrics-server, for the HPA's figures"
  k apply -f "https://github.com/kubernetes-sigs/metrics-server/releases/download/$(pinned metrics-server)/components.yaml" >&2
  k -n kube-system patch deployment metrics-server --type json \
    -p '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--kubelet-insecure-tls"}]' >&2
  k -n kube-system rollout status deployment metrics-server --timeout 3m >&2
}

# install_contour: an Ingress controller that knows the Gateway API too, on the ports 80 and 443 of the nodes.
install_contour() {
  local keys
  say "installing Contour, for Ingresses and HTTPRoutes"
  k apply --server-side -f "https://raw.githubusercontent.com/projectcontour/contour/$(pinned contour)/examples/render/contour-gateway.yaml"
  k -n projectcontour rollout status daemonset envoy --timeout 5m
  keys=$(mktemp -d)
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=*.test' -keyout "$keys/key" -out "$keys/certificate" 2>/dev/null
  k -n projectcontour create secret tls ingress --cert "$keys/certificate" --key "$keys/key" --dry-run=client -o yaml | k apply -f -
  rm -rf "$keys"
  k apply --server-side --force-conflicts -f ci/demo-contour.yaml
}

# pinned TOOL: the version that ci/tools/TOOL/go.mod requires of the module of that name.
pinned() { awk -v name="/$1(/v[0-9]+)?$" '{ sub(/^require /, "") } $1 ~ name && $2 ~ /^v/ { print $2; exit }' "ci/tools/$1/go.mod"; }
