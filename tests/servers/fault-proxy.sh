#!/usr/bin/env bash
# TCP fault proxy in front of a server, on loopback; the settings are in README.md.
#   fault-proxy.sh start PORT TARGET_HOST:PORT [NAME=VALUE...]    prints 'ready 127.0.0.1:PORT control=http://...'
#   fault-proxy.sh set PORT NAME=VALUE...                         changes settings; reset PORT: all off
#   fault-proxy.sh cut PORT                                       resets every open connection now
#   fault-proxy.sh stat PORT                                      settings and counters as JSON
#   fault-proxy.sh stop PORT
# The control port is PORT + 1. env: WALRUS_PROXY_DIR (logs and process ids)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/common.sh"

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$here/fault-proxy.sh" >&2
  exit 2
}

[ $# -ge 2 ] || usage
command=$1 port=$2
shift 2
[[ $port =~ ^[0-9]+$ ]] || usage
folder=${WALRUS_PROXY_DIR:-${TMPDIR:-/tmp}/walrus-fault-proxy-$(id -u)}
control=http://127.0.0.1:$((port + 1))

# request PATH [NAME=VALUE...]
request() {
  local path=$1 setting encoded=()
  shift
  for setting in "$@"; do encoded+=(--data-urlencode "$setting"); done
  curl --silent --show-error --fail-with-body --max-time 5 --noproxy '*' --get "${encoded[@]}" "$control/$path"
}

# The process of the pid file, when it still is this proxy: pids are used again.
running_pid() {
  local pid
  pid=$(cat "$folder/$port.pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "fault-proxy.mjs $port " || return 1
  echo "$pid"
}

stop() {
  local pid
  if pid=$(running_pid); then
    kill "$pid"
    for _ in {1..100}; do
      running_pid >/dev/null || break
      sleep 0.05
    done
  fi
  rm -f "$folder/$port".{pid,log}
}

start() {
  need_command node nodejs
  need_command curl curl
  [ $# -ge 1 ] || usage
  local target=$1
  shift
  stop
  mkdir -p "$folder"
  setsid node "$here/fault-proxy.mjs" "$port" "$target" </dev/null >"$folder/$port.log" 2>&1 &
  echo $! >"$folder/$port.pid"
  for _ in {1..100}; do
    if running_pid >/dev/null && request stat >/dev/null 2>&1; then
      [ $# = 0 ] || request set "$@" >/dev/null
      echo "ready 127.0.0.1:$port control=$control"
      return
    fi
    kill -0 $! 2>/dev/null || break
    sleep 0.05
  done
  cat "$folder/$port.log" >&2
  die "the proxy on port $port did not start"
}

case $command in
  start) start "$@" ;;
  stop) stop ;;
  set) request set "$@" ;;
  reset | cut | stat) request "$command" ;;
  *) usage ;;
esac
