#!/usr/bin/env bash
# Peak memory and time of listing commands by the number of objects in the WAL folder.
#   bench/listing.sh [OBJECTS...]        default 50000 200000; a line a run: objects, command, peak RSS, wall time, CPU
# Needs artifacts/bin/walrus (./build.sh build), python3, and an inode an object.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- 50000 200000
work=$(mktemp -d "${WALRUS_BENCH_FOLDER:-/var/tmp}/walrus-bench-XXXXXX")
trap 'rm -rf "$work"' EXIT
export HOME=$work WALG_FILE_PREFIX=$work/archive WALG_LOG_LEVEL=ERROR
for objects in "$@"; do
  # Nine of ten segments are there: memory follows the gaps too.
  python3 - "$work/archive" "$objects" <<'P'
import os, shutil, sys
root, objects = sys.argv[1], int(sys.argv[2])
shutil.rmtree(root, ignore_errors=True)
os.makedirs(f"{root}/wal_005")
number = 0
for _ in range(objects):
    number += 2 if number % 10 == 9 else 1
    os.close(os.open(f"{root}/wal_005/00000001{number // 256:08X}{number % 256:08X}.lz4", os.O_CREAT | os.O_WRONLY))
P
  last=$(ls -f "$work/archive/wal_005" | sort | tail -1)
  lsn=$(printf '%X/%X' $((16#${last:8:8})) $((16#${last:22:2} << 24 | 1 << 20)))
  for command in "wal-show" "wal-show --detailed-json" "wal-verify integrity timeline --timeline 1 --lsn $lsn"; do
    # shellcheck disable=SC2086
    /usr/bin/time -f "$objects objects, ${command%% --lsn*}   %M KB  %e s  %U + %S s CPU" artifacts/bin/walrus $command >/dev/null
  done
done
