# shellcheck shell=bash disable=SC2154 # what ./demo has set is used here
# What `make e2e` needs of the demo's cluster. To be sourced by ./demo.

application=${E2E_APPLICATION_IMAGE:-ghcr.io/maintenance-mode/e2e-application:dev}
oauth2_proxy=${E2E_OAUTH2_PROXY_IMAGE:-ghcr.io/maintenance-mode/e2e-oauth2-proxy:$(pinned oauth2-proxy)}

# load_e2e_images: the application that is switched, and the OAuth proxy before admins.
load_e2e_images() {
  build_image "$application" --file e2e/application/Dockerfile
  load_image "$application"
  if ! engine image inspect "$oauth2_proxy" >/dev/null 2>&1; then
    ci/tools/build oauth2-proxy
    tar -C "$bin" -c oauth2-proxy | engine import --change 'ENTRYPOINT ["/oauth2-proxy"]' --change 'USER 10001:10001' - "$oauth2_proxy" >&2
  fi
  load_image "$oauth2_proxy"
}

# environment: the lines to eval.
environment() {
  local ingress=http://127.0.0.1:8088 helm3 helm4
  if airgap; then
    ingress=http://127.0.0.1:10080
    ci/airgap/argocd up
    ci/airgap/argocd env
  else
    [ -n "$(k get ingressclass -o name)" ] || install_contour >&2
    # It runs beside the airgap's cluster alone.
    echo 'export E2E_ARGOCD=none'
  fi
  helm3=$(helm_of 3) helm4=$(helm_of 4)
  printf 'export PATH=%q HELM3=%q HELM4=%q\n' "$PATH" "$helm3" "$helm4"
  printf 'export E2E_KUBECONFIG=%q E2E_INGRESS=%q E2E_IMAGE=%q\n' "$KUBECONFIG" "$ingress" "$image"
  printf 'export E2E_APPLICATION_IMAGE=%q E2E_OAUTH2_PROXY_IMAGE=%q\n' "$application" "$oauth2_proxy"
}
