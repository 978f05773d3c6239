#!/usr/bin/env bash
# Peak memory of a backup and of its restore by the number of files: one page each, beside an empty cluster of about 1,000.
#   bench/files.sh [FILES...]        default 4000 16000 64000; a line a run: files, peak RSS, CPU
# Needs root, artifacts/bin/walrus (./build.sh build), PostgreSQL's packages, and 16 KB of disk a file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- 4000 16000 64000
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
work=$(mktemp -d "${WALRUS_BENCH_FOLDER:-/var/tmp}/walrus-bench-XXXXXX")
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
finish() { as "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || :; rm -rf "$work"; }
trap finish EXIT
mkdir "$work/archive" "$work/run"
cp artifacts/bin/walrus "$work/walrus"
chown -R postgres: "$work"

as "$bin/initdb" -D "$work/data" -U postgres -A trust -k --no-sync >/dev/null
cat >>"$work/data/postgresql.conf" <<C
listen_addresses = ''
unix_socket_directories = '$work/run'
archive_mode = on
archive_command = 'true'
fsync = off
C
as "$bin/pg_ctl" -D "$work/data" -l "$work/run/log" -w start >/dev/null
export PGHOST=$work/run PGUSER=postgres PGDATABASE=postgres HOME=$work
export WALG_FILE_PREFIX=$work/archive WALG_UPLOAD_DISK_CONCURRENCY=4 WALG_DOWNLOAD_CONCURRENCY=4 WALG_LOG_LEVEL=ERROR
as mkdir "$work/data/base/9"
have=0
for files in 0 "$@"; do
  if [ "$files" -gt "$have" ]; then
    head -c $(((files - have) * 8192)) /dev/urandom | (cd "$work/data/base/9" && as split -b 8192 -a 6 - "x$files.")
    have=$files
  fi
  as /usr/bin/time -f "$files files more, backup-push   %M KB  %U + %S s" "$work/walrus" backup-push "$work/data"
  as /usr/bin/time -f "$files files more, backup-fetch  %M KB  %U + %S s" "$work/walrus" backup-fetch "$work/out" LATEST
  rm -rf "$work/out"
done
