# shellcheck shell=bash
# The container engine: Docker, else Podman, else the stand-in of ci/airgap. To be sourced, after tools/lib.sh.

docker_answers() { docker info >/dev/null 2>&1; }
engine_answers() { docker_answers || podman info >/dev/null 2>&1; }
engine() { if docker_answers; then docker "$@"; else podman "$@"; fi; }

# airgap: whether no image can be pulled here, so that ci/airgap stands in for the engine and for kind.
airgap() {
  case ${AIRGAP:-} in 0) return 1 ;; 1) return 0 ;; esac
  if engine_answers; then ci/airgap/engine ours; else [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; fi
}

need_engine() {
  if airgap; then
    ci/airgap/engine up
  elif ! engine_answers; then
    die "there is no container engine: install Docker (https://docs.docker.com/engine/install/) or Podman (https://podman.io/docs/installation), or run as root on Debian without AIRGAP=0"
  fi
}

# build_image IMAGE ARGUMENTS...: from a Dockerfile of this repository.
build_image() {
  need_engine
  if airgap; then ci/airgap/engine base rust:1.95-slim-bookworm; fi
  engine build --tag "$@" . >&2
}
