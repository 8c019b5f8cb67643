# shellcheck shell=bash disable=SC2154 # what ./demo has set is used here
# What the demo needs on PATH: kind, kubectl and helm. To be sourced by ./demo.

# need_tools: an engine, and each tool on PATH in a version that fits; what is missing is built, and linked in .bin/.
need_tools() {
  local tool
  mkdir -p .run .bin
  need_engine
  if airgap; then
    PATH=$PWD/ci/airgap/kind:$bin:$PATH
    ln -sfn "$bin/kubectl" "$bin/helm" .bin/
    return
  fi
  # kind takes Docker where there is its client, answer or not.
  docker_answers || export KIND_EXPERIMENTAL_PROVIDER=podman
  PATH=$PWD/.bin:$PATH
  for tool in kind kubectl helm; do
    fits $tool && continue
    command -v go >/dev/null || die "$(wanted $tool) is not on PATH, and building it needs Go"
    ci/tools/build $tool
    ln -sfn "$bin/$tool" ".bin/$tool"
  done
}

fits() {
  case $1 in
    helm) [[ $(helm version --template '{{ .Version }}' 2>/dev/null) =~ ^v(4|3\.(1[4-9]|[2-9][0-9]))\. ]] ;;
    kubectl) [[ $(kubectl version --client -o yaml 2>/dev/null) =~ gitVersion:\ v1\.(2[7-9]|[3-9][0-9])\. ]] ;;
    kind) [[ $(kind version 2>/dev/null) =~ ^kind\  ]] ;;
  esac
}

wanted() {
  case $1 in
    helm) echo "helm 3.14 or newer (https://helm.sh/docs/intro/install/)" ;;
    kubectl) echo "kubectl 1.27 or newer (https://kubernetes.io/docs/tasks/tools/)" ;;
    kind) echo "kind (https://kind.sigs.k8s.io/docs/user/quick-start/)" ;;
  esac
}
