#!/usr/bin/env bash
# Everything this project does on a machine without PowerShell: ./build.sh build|module|test|demo|package
# Installs what is missing with apt where it may (root, Debian or Ubuntu), says what is missing where it may not.
# build.ps1 has the same tasks for a machine with pwsh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_UI_LANGUAGE=en
configuration=${CONFIGURATION:-Release}
powershell_version=7.6.9
rid=linux-x64
[ "$(uname -m)" = aarch64 ] && rid=linux-arm64

say() { printf '== %s\n' "$*"; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# need PACKAGE CHECK...: installs PACKAGE unless the check command succeeds.
apt_updated=
need() {
  local package=$1; shift
  if "$@" >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "$package is missing and cannot be installed from here; install it and run this again (Debian: sudo apt install $package)"
  fi
  say "Installing $package"
  if [ -z "$apt_updated" ]; then apt-get update -qq >/dev/null || :; apt_updated=1; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

has_library() { ldconfig -p | grep -q "$1"; }

tools() {
  command -v dotnet >/dev/null || die "the .NET SDK 10 is missing: https://dotnet.microsoft.com/download"
  need gcc command -v gcc
  need binutils command -v objcopy
  need zlib1g-dev test -e /usr/include/zlib.h
  need liblz4-1 has_library liblz4.so.1
  need libzstd1 has_library libzstd.so.1
  need liblzma5 has_library liblzma.so.5
  need libsodium23 has_library 'libsodium.so.2[36]'
}

# A distribution's own package starts a cluster of its own; this project needs the programs only.
postgres() {
  ls -d /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && return
  if [ "$(id -u)" = 0 ]; then
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  need postgresql ls -d /usr/lib/postgresql/*/bin/initdb
}

# PowerShell for the Pester tests: the machine's own, else Microsoft's .NET tool in the cache of the tests. Without it they
# are skipped, which the summary says.
powershell() {
  command -v pwsh >/dev/null && return
  local folder=${WALRUS_TEST_CACHE:-${XDG_CACHE_HOME:-/var/cache}/walrus-tests}/powershell-$powershell_version
  if [ ! -x "$folder/pwsh" ]; then
    say "Installing PowerShell $powershell_version"
    dotnet tool install PowerShell --version "$powershell_version" --tool-path "$folder" >/dev/null 2>&1 || { say "PowerShell cannot be had here"; return 0; }
  fi
  PATH=$folder:$PATH
}

build() {
  tools
  say "walrus ($rid)"
  dotnet publish src/WalRus.Cli -c "$configuration" -r "$rid" -o artifacts/bin -v q
  say "walg-daemon-client ($rid)"
  client
  say "WalRus module"
  module
  say "walrus and walg-daemon-client (win-x64)"
  local project
  for project in src/WalRus.Cli src/WalRus.Client; do
    dotnet publish "$project" -c "$configuration" -r win-x64 --self-contained -p:WalRusAot=false -o artifacts/win-x64 -v q
  done
  ls -l artifacts/bin/walrus artifacts/bin/walg-daemon-client
}

client() {
  dotnet publish src/WalRus.Client -c "$configuration" -r "$rid" -o artifacts/bin -v q
  ln -sf walg-daemon-client artifacts/bin/walrus-daemon-client
}

module() {
  rm -rf artifacts/module/WalRus
  local project
  for project in src/WalRus.PowerShell src/WalRus.PowerShell.Loader; do
    dotnet publish "$project" -c "$configuration" -o artifacts/module/WalRus/bin -v q
  done
  # The loader takes what .NET and PowerShell have from the session, and all else from this folder.
  rm -f artifacts/module/WalRus/bin/*.{deps.json,runtimeconfig.json,xml}
  cp -R module/. LICENSE CHANGELOG.md artifacts/module/WalRus/
}

version() { sed -nE 's:.*<Version>(.*)</Version>.*:\1:p' Directory.Build.props; }

# The module as a gallery takes it, and unpacked as an installation lays it out: artifacts/package/modules/WalRus/VERSION.
module_package() {
  need unzip command -v unzip
  local folder=artifacts/package/modules/WalRus/$(version) commands description
  commands=$(sed -nE "/CmdletsToExport/,/\)/s/^ +'([A-Za-z]+-[A-Za-z]+)'$/PSCmdlet_\1 PSCommand_\1/p" module/WalRus.psd1 | tr '\n' ' ')
  description=$(sed -nE "s/^ *Description *= '(.*)'/\1/p" module/WalRus.psd1)
  mkdir -p artifacts/package
  rm -rf artifacts/package/stage artifacts/package/modules "artifacts/package/WalRus.$(version).nupkg"
  cp -R artifacts/module/WalRus artifacts/package/stage
  cp src/WalRus.PowerShell/WalRus.nuspec artifacts/package/stage/
  dotnet pack artifacts/package/stage/WalRus.nuspec -o artifacts/package --version "$(version)" \
    "-p:NuspecProperties=version=$(version);description=$description;commands=$commands" >artifacts/package/pack.log 2>&1 \
    || { cat artifacts/package/pack.log >&2; die "the module cannot be packed"; }
  rm -rf artifacts/package/stage artifacts/package/pack.log
  mkdir -p "$folder"
  unzip -q "artifacts/package/WalRus.$(version).nupkg" -d "$folder"
  rm -rf "$folder"/{_rels,package,WalRus.nuspec} "$folder/[Content_Types].xml"
}

run_tests() {
  tools
  [ -x artifacts/bin/walrus ] && [ -z "$(newer_than artifacts/bin/walrus)" ] || build
  [ -x artifacts/bin/walg-daemon-client ] || client
  local manifest=artifacts/module/WalRus/WalRus.psd1
  [ -e "$manifest" ] && [ -z "$(newer_than "$manifest")$(find module -newer "$manifest" -type f | head -1)" ] || module
  module_package
  export WALRUS_MODULE=$PWD/artifacts/package/modules/WalRus/$(version)
  need gnupg command -v gpg
  need brotli command -v brotli
  need lz4 command -v lz4
  need zstd command -v zstd
  need xz-utils command -v xz
  postgres
  powershell
  say "Tests"
  dotnet build tests/Unit -c "$configuration" -v q
  local log=artifacts/tests.log status=0
  dotnet "tests/Unit/bin/$configuration/net10.0/WalRus.Tests.dll" -noColor "$@" 2>&1 | tee "$log" || status=$?
  # The summary line: "WalRus.Tests  Total: 6, Errors: 0, Failed: 0, Skipped: 0, ..."
  local summary total errors failed skipped
  summary=$(grep -E '^ *WalRus.Tests +Total: ' "$log" | tail -1)
  [ -n "$summary" ] || die "the test run ended without a summary (see $log)"
  count() { sed -E "s/.*$1: ([0-9]+).*/\1/" <<<"$summary"; }
  total=$(count Total); errors=$(count Errors); failed=$(count Failed); skipped=$(count Skipped)
  [ "$total" -gt 0 ] || die "no test ran"
  grep -E '\[SKIP\]' -A1 "$log" | sed 's/^ */   skipped: /' | head -40 || :
  echo "$((total - failed - skipped)) passed, $((failed + errors)) failed, $skipped skipped"
  [ "$status" = 0 ] && [ "$((failed + errors))" = 0 ]
}

newer_than() { find src Directory.*.props -newer "$1" -name '*.cs' -o -newer "$1" -name '*.xml' -o -newer "$1" -name '*.*proj' -o -newer "$1" -name '*.props' | grep -v /obj/ | head -1; }

demo() {
  [ -x artifacts/bin/walrus ] && [ -z "$(newer_than artifacts/bin/walrus)" ] || { tools; say "Building"; dotnet publish src/WalRus.Cli -c "$configuration" -r "$rid" -o artifacts/bin -v q; }
  postgres
  artifacts/bin/walrus demo "$@"
}

package() {
  build
  local version
  version=$(sed -nE 's:.*<Version>(.*)</Version>.*:\1:p' Directory.Build.props)
  rm -rf artifacts/package && mkdir -p artifacts/package
  tar -C artifacts/module -czf "artifacts/package/WalRus-$version-module.tar.gz" WalRus
  tar -C artifacts/bin -czf "artifacts/package/walrus-$version-$rid.tar.gz" walrus walg-daemon-client walrus-daemon-client
  (cd artifacts/win-x64 && tar -czf "../package/walrus-$version-win-x64.tar.gz" .)
  ls -l artifacts/package
}

task=${1:-}
[ $# -gt 0 ] && shift
case $task in
  build) build ;;
  module) module; module_package ;;
  test) run_tests "$@" ;;
  demo) demo "$@" ;;
  package) package ;;
  *) echo "usage: ./build.sh build | module | test [test filter] | demo [demo options] | package" >&2; exit 2 ;;
esac
