# Shared by the scripts of this folder; sourced, never run.
# Messages go to stderr: stdout belongs to the line a caller reads.
# shellcheck shell=bash

umask 022 # the postgres user must be able to read what root installs
script_name=${0##*/}
cache=${WALRUS_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/walrus-tests}

say() { printf '%s: %s\n' "$script_name" "$*" >&2; }
die() { printf '%s: error: %s\n' "$script_name" "$*" >&2; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }

make_cache() {
  if ! mkdir -p "$cache/log" 2>/dev/null || [ ! -w "$cache" ]; then
    die "cannot write to the cache folder $cache: set WALRUS_TEST_CACHE to a folder of yours, or fill the cache as root first"
  fi
  cache=$(cd "$cache" && pwd -P)
  export WALRUS_TEST_CACHE=$cache
}

# with_lock FILE COMMAND...: one at a time across processes, in a process of its own. Own, because bash ignores 'set -e'
# in a function whose status is tested, and an installation must stop at its first failure. A killed holder frees the lock;
# the command does not get the lock's descriptor, so a server it leaves running does not keep the lock.
with_lock() {
  local file=$1
  shift
  flock --close --wait 900 "$file" "$@"
}

# run_logged LOG COMMAND...: quiet when the command works; shows the end of the log when it does not.
run_logged() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    return 1
  fi
}

# need_command COMMAND PACKAGE: installs the package on a Debian host as root, or says what to install.
need_command() {
  command -v "$1" >/dev/null && return
  if ! is_root || ! command -v apt-get >/dev/null; then
    die "$1 is missing: install it (Debian: apt-get install $2)"
  fi
  make_cache
  say "installing $2"
  # A fresh machine's apt may not know any package yet.
  DEBIAN_FRONTEND=noninteractive run_logged "$cache/log/host-$2.log" \
    sh -c 'install="apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $1"; $install || { apt-get update && $install; }' \
    sh "$2" || die "apt-get could not install $2 (log: $cache/log/host-$2.log)"
}
