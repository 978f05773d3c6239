#!/usr/bin/env bash
# What PowerShell costs: a cold pwsh, the import of the module, one Push-WalSegment of 16 MiB to a folder, as archive_command would
# run them.
#   bench/powershell.sh [RUNS=10]      -> the quickest and the median run of each: wall, CPU, peak RSS
# Needs pwsh and artifacts/module/WalRus (./build.sh module).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=${1:-10}
module=$PWD/artifacts/module/WalRus/WalRus.psd1
[ -e "$module" ] || { echo "bench: build first: ./build.sh module" >&2; exit 1; }
work=$(mktemp -d "${WALRUS_BENCH_FOLDER:-/var/tmp}/walrus-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archive" "$work/wal"
export WALG_FILE_PREFIX=$work/archive POWERSHELL_TELEMETRY_OPTOUT=1
segment=$work/wal/000000010000000000000001

# A first page as PostgreSQL 15 writes it (16 MiB segments), then half noise and half zeros.
{
  printf '\x10\xd1\x02\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00'
  printf '\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x01\x00\x20\x00\x00'
  head -c $((8388608 - 40)) /dev/urandom
  head -c 8388608 /dev/zero
} >"$segment"

measure() {
  local name=$1; shift
  for _ in $(seq "$runs"); do
    rm -rf "$work/archive/wal_005"
    /usr/bin/time -a -o "$work/$name" -f '%e %U %S %M' "$@" >/dev/null
  done
  sort -n "$work/$name" | awk -v name="$name" '
    { wall[NR] = $1; cpu[NR] = $2 + $3; rss[NR] = $4 }
    END { m = int((NR + 1) / 2)
      printf "%-8s quickest %.2f s wall, %.2f s CPU; median %.2f s wall, %.2f s CPU; %.0f MB\n", name, wall[1], cpu[1], wall[m], cpu[m], rss[m] / 1024 }'
}

measure pwsh pwsh -NoProfile -NonInteractive -Command 1
measure import pwsh -NoProfile -NonInteractive -Command "Import-Module '$module'"
measure push pwsh -NoProfile -NonInteractive -Command "Import-Module '$module'; Push-WalSegment '$segment'"
pwsh -NoProfile -NonInteractive -Command "
Import-Module '$module'; Remove-Module WalRus
\$watch = [Diagnostics.Stopwatch]::StartNew(); Import-Module '$module'; 'Import-Module in a warm pwsh: {0} ms' -f \$watch.ElapsedMilliseconds"
