#!/usr/bin/env bash
# A first look without a cluster: both tiers on loopback, sharing one config directory. Ctrl-C ends both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

config=.run/config

cargo build --release
server=${CARGO_TARGET_DIR:-target}/release/maintenance-mode
export CONFIG_DIR=$config LOG_FORMAT=text SHUTDOWN_DELAY=0 SHUTDOWN_TIMEOUT=2

# Not into another one's config directory.
for port in 8888 8889 9888 9889; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port of loopback is taken: by another make run?" >&2
    exit 1
  fi
done
mkdir -p "$config"
echo false >"$config/MAINTENANCE_MODE"

# Process groups of their own: Ctrl-C reaches this script alone, which then tells each server once.
set -m
pids=()
# shellcheck disable=SC2329,SC2317 # the trap calls it
end() {
  trap - EXIT INT TERM
  kill "${pids[@]}" 2>/dev/null || true
  wait || true
}
trap end EXIT
trap 'exit 0' INT TERM

"$server" --tier user --listen 127.0.0.1:8888 --management-listen 127.0.0.1:9888 &
pids+=($!)
"$server" --tier admin --listen 127.0.0.1:8889 --management-listen 127.0.0.1:9889 &
pids+=($!)

both_run() { kill -0 "${pids[0]}" 2>/dev/null && kill -0 "${pids[1]}" 2>/dev/null; }
for _ in $(seq 50); do
  both_run || break
  "$server" probe http://127.0.0.1:9889/livez >/dev/null 2>&1 && "$server" probe http://127.0.0.1:9888/livez >/dev/null 2>&1 && break
  sleep 0.1
done
if both_run; then
  cat <<LOOK

  users   http://localhost:8888/
  admins  http://localhost:8889/admin

  maintenance on, in another terminal, in force within a second (false: off again):
    echo true > $PWD/$config/MAINTENANCE_MODE

  Ctrl-C ends both.

LOOK
fi

# bash 3.2 has no `wait -n`: look until one has ended, then end the other.
while both_run; do sleep 0.5; done
echo "one of the servers has ended, so both do" >&2
exit 1
