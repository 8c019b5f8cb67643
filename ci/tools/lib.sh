# shellcheck shell=bash
# What the scripts under ci/ share: messages, retries, Debian packages, tools built from pinned Go modules, and
# our own binaries as the image has them. To be sourced.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Built tools are kept outside of the clone, so that a second clone builds nothing.
cache=${MAINTENANCE_MODE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/maintenance-mode}
bin=$cache/bin

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# retry COMMAND...: up to five times, for what is downloaded.
retry() {
  local try
  for try in 1 2 3 4 5; do
    "$@" && return
    [ "$try" = 5 ] || { say "try $try of 5 failed: $*"; sleep $((try * 5)); }
  done
  return 1
}

# packages NAME...: Debian packages, those that are missing.
packages() {
  local missing=() p
  for p; do
    [ "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" = "install ok installed" ] || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  # Another apt (a fresh machine's own updates) may hold the lock; a repository that we do not need may not answer.
  local options=(-qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300)
  apt-get "${options[@]}" update >&2 || true
  DEBIAN_FRONTEND=noninteractive retry apt-get "${options[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install ${missing[*]}"
}

# debian PACKAGE...: on Debian as root, install these; elsewhere nothing.
debian() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then packages "$@"; fi
}

# installed FOLDER FILE COMMAND...: run COMMAND once for each content of FILE; it fills FOLDER.
installed() {
  local folder=$1 stamp
  stamp=$(sha256 <"$2" | cut -c1-16)
  shift 2
  [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$stamp" ] && return
  rm -rf "$folder"
  mkdir -p "$folder"
  retry "$@" >&2 || die "$folder could not be filled: see above"
  echo "$stamp" >"$folder/.stamp"
}

# from_pypi SET NAME: the path of a program that SET/requirements.txt pins, or of the Python that has its modules.
from_pypi() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
  python3 -c 'import ensurepip, venv' || die "$2 needs Python 3: https://www.python.org/downloads/"
  installed "$cache/$1-python" "$tools/$1/requirements.txt" from_pypi_install "$1"
  echo "$cache/$1-python/bin/$2"
}
from_pypi_install() {
  python3 -m venv "$cache/$1-python" &&
    "$cache/$1-python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$tools/$1/requirements.txt"
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# gobuild MODULE NAME PACKAGE: build the tool that ci/tools/MODULE pins into the cache, once for each version of its go.mod.
gobuild() {
  local stamp flags="-s -w"
  # Some have a program of our own beside the pins.
  stamp=$(find "$tools/$1" -name go.mod -o -name '*.go' | sort | xargs cat | sha256 | cut -c1-16)
  built "$2" "$stamp" && return
  command -v go >/dev/null || die "building $2 needs Go: https://go.dev/doc/install"
  [ "$1" = kubernetes ] && flags="$flags $(kubernetes_version)"
  mkdir -p "$bin"
  (
    if command -v flock >/dev/null; then # one build of a tool at a time, whichever clone it comes from
      exec 9>"$bin/$2.lock"
      flock 9
      built "$2" "$stamp" && exit
    fi
    say "building $2"
    cd "$tools/$1"
    export GOFLAGS=-mod=readonly
    # Without the clients of every cloud, by which Prometheus finds what to scrape.
    [ "$2" = promtool ] && GOFLAGS="$GOFLAGS -tags=remove_all_sd"
    # It runs in a container that has nothing else in it.
    [ "$2" = oauth2-proxy ] && export CGO_ENABLED=0 GOOS=linux
    # What cannot be downloaded is tried again; what does not compile is not.
    retry go list -deps "$3" >/dev/null
    go build -trimpath -buildvcs=false -ldflags "$flags" -o "$bin/$2.new" "$3"
    mv "$bin/$2.new" "$bin/$2"
    echo "$stamp" >"$bin/$2.version"
  ) || die "$2 could not be built"
}

# crate NAME VERSION: install the program of a crate into the cache, once for each version.
crate() {
  built "$1" "$2" && return
  command -v cargo >/dev/null || die "building $1 needs Rust: https://rustup.rs/"
  say "building $1"
  retry cargo install --quiet --locked --root "$cache" --version "=$2" "$1" >&2 || die "$1 could not be built"
  echo "$2" >"$bin/$1.version"
}

built() { [ -x "$bin/$1" ] && [ "$(cat "$bin/$1.version" 2>/dev/null)" = "$2" ]; } # NAME STAMP

# as_in_the_image PACKAGE...: the folder of the binaries of these members of the workspace, built as the image has them.
# It is one of its own: other flags build all anew.
as_in_the_image() {
  local package packages=() flags host
  for package; do packages+=(--package "$package"); done
  host=$(rustc -vV | sed -n 's/^host: //p')
  flags=$(sed -n 's/^ENV RUSTFLAGS="\(.*\)"$/\1/p' "$tools/../../Dockerfile")
  [ -n "$flags" ] || die "the Dockerfile has no RUSTFLAGS"
  RUSTFLAGS=$flags cargo build --release --locked "${packages[@]}" --target "$host" || die "this could not be built: $*"
  echo "${CARGO_TARGET_DIR:-target}/$host/release"
}

# helm_of 3|4: the path of a Helm of that major version, which is built where PATH has none.
helm_of() {
  local name built=helm
  for name in helm "helm$1"; do
    [[ $("$name" version --template '{{ .Version }}' 2>/dev/null) != "v$1."* ]] || { command -v "$name"; return; }
  done
  [ "$1" = 4 ] || built=helm3
  "$tools/build" "$built" >&2
  echo "$bin/$built"
}

# helm_waits COMMAND...: one that waits by Helm. Helm 4 may end its wait in the very moment in which the HPA scales a new tier up,
# and call that not ready: that alone is tried once more, as people would. What is really not ready fails again.
helm_waits() {
  local said
  said=$("$@" 2>&1) && return
  echo "$said" >&2
  case $said in
    *'status: InProgress'*) "$@" ;;
    *) return 1 ;;
  esac
}

# browser_ready: what the tests of tests/browser need: the built server in SERVER, a browser in BROWSER, and their packages.
browser_ready() {
  local name
  command -v npm >/dev/null || debian npm
  command -v npm >/dev/null || die "the browser's tests need Node.js 18 or newer and npm: https://nodejs.org/"
  for name in chromium google-chrome; do command -v "$name" >/dev/null && break; done || debian chromium
  BROWSER=$(command -v chromium || command -v google-chrome) || die "the browser's tests need chromium, or google-chrome"
  installed "$tools/../../tests/browser/node_modules" "$tools/../../tests/browser/package-lock.json" \
    npm ci --prefix "$tools/../../tests/browser" --silent --no-audit --no-fund --ignore-scripts
  cargo build --locked || die "the server could not be built"
  SERVER=$(realpath "${CARGO_TARGET_DIR:-target}/debug/maintenance-mode")
  export BROWSER SERVER
}

# module MODULE PATH: the folder of a Go module that ci/tools/MODULE pins.
module() {
  command -v go >/dev/null || die "what $2 has needs Go: https://go.dev/doc/install"
  (cd "$tools/$1" && retry go mod download "$2" >&2 && go list -m -f '{{.Dir}}' "$2")
}

# The linker flags by which Kubernetes' own build tells its binaries their version.
kubernetes_version() {
  local version p
  version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" {print $3}' "$tools/kubernetes/go.mod")
  for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=clean -X %s.gitCommit=0' \
      $p "$version" $p $p "$(cut -d. -f2 <<<"$version")" $p $p
  done
}
