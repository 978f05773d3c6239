#!/usr/bin/env bash
# Base backup and restore of a cluster, with peak RSS, VmPeak and CPU of walrus, beside pg_basebackup on the same disk.
#   bench/backup.sh [SIZE_MB=2048] [FILES=0] [CODEC=lz4] [LANES=4]      -> one line a run, and bench/results/backup.csv
# FILES adds that many tables of one page: memory must not grow with them. Needs artifacts/bin/walrus (./build.sh build),
# PostgreSQL's packages, and free disk of four times SIZE_MB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
size_mb=${1:-2048}; files=${2:-0}; codec=${3:-lz4}; lanes=${4:-4}
walrus=$PWD/artifacts/bin/walrus
[ -x "$walrus" ] || { echo "bench: build first: ./build.sh build" >&2; exit 1; }
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
work=$(mktemp -d "${WALRUS_BENCH_FOLDER:-/var/tmp}/walrus-bench-XXXXXX")
mkdir -p bench/results "$work/archive" "$work/run"
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi; }
finish() { as "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || :; rm -rf "$work"; }
trap finish EXIT
[ "$(id -u)" != 0 ] || chown -R postgres: "$work"
chmod 755 "$work"

as "$bin/initdb" -D "$work/data" -U postgres -A trust -k --no-sync >/dev/null
cat >>"$work/data/postgresql.conf" <<C
listen_addresses = ''
unix_socket_directories = '$work/run'
archive_mode = on
archive_command = 'true'
max_wal_size = 8GB
fsync = off
max_locks_per_transaction = 10000
C
as "$bin/pg_ctl" -D "$work/data" -l "$work/run/log" -w start >/dev/null
export PGHOST=$work/run PGUSER=postgres PGDATABASE=postgres
export WALG_FILE_PREFIX=$work/archive WALG_COMPRESSION_METHOD=$codec
export WALG_UPLOAD_DISK_CONCURRENCY=$lanes WALG_DOWNLOAD_CONCURRENCY=$lanes WALG_TAR_SIZE_THRESHOLD=268435456 WALG_LOG_LEVEL=ERROR

# Half pgbench (15 MB a unit of scale), half text that compresses as text does.
"$bin/pgbench" -i -q -s $((size_mb / 30 > 0 ? size_mb / 30 : 1)) >/dev/null 2>&1
"$bin/psql" -qc "create table words as select n, md5(n::text) || repeat(md5((n / 7)::text), 3) as t from generate_series(1, $((size_mb * 2900))) n"
for start in $(seq 1 2000 "$files"); do
  "$bin/psql" -qc "do \$\$ begin for i in $start..least($start + 1999, $files) loop execute format('create table f%s as select 1 as x', i); end loop; end \$\$"
done
"$bin/psql" -qc checkpoint
real=$(du -sm "$work/data/base" | cut -f1)
count=$(find "$work/data" -type f | wc -l)

# run NAME COMMAND...: wall and CPU seconds and peak RSS from time, VmPeak sampled from /proc (the kernel keeps the maximum).
run() {
  local name=$1 begin end job pid vm=0 now user system rss; shift
  sync; begin=$(date +%s.%N)
  /usr/bin/time -f '%U %S %M' -o "$work/run/time" "$@" >"$work/run/out" 2>&1 & job=$!
  while kill -0 $job 2>/dev/null; do
    pid=$(pgrep -P $job | head -1 || :)
    now=$(awk '/VmPeak/{print $2}' "/proc/${pid:-0}/status" 2>/dev/null || :)
    [ -z "$now" ] || vm=$now
    sleep 0.05
  done
  wait $job || { cat "$work/run/out"; exit 1; }
  end=$(date +%s.%N)
  read -r user system rss <"$work/run/time"
  awk -v n="$name" -v c="$codec" -v l="$lanes" -v mb="$real" -v f="$count" -v s="$begin" -v e="$end" -v u="$user" -v y="$system" \
    -v r="$rss" -v v="$vm" 'BEGIN { printf "%s,%s,%d,%d,%d,%.1f,%.1f,%.1f,%.1f\n", n, c, l, mb, f, e - s, u + y, r / 1024, v / 1024 }' |
    tee -a bench/results/backup.csv |
    awk -F, '{ printf "%-20s %-5s %d lanes %6d MB %7d files  wall %6s s  cpu %6s s  RSS %6s MB  VmPeak %7s MB\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
}

[ -s bench/results/backup.csv ] || echo "what,codec,lanes,mb,files,wall_s,cpu_s,rss_mb,vmpeak_mb" >bench/results/backup.csv
run "pg_basebackup plain" setpriv --reuid="$(stat -c %U "$work/data")" --regid="$(stat -c %G "$work/data")" --init-groups \
  "$bin/pg_basebackup" -D "$work/plain" -c fast -X none
rm -rf "$work/plain"
run "walrus backup-push" "$walrus" backup-push "$work/data"
run "walrus backup-fetch" "$walrus" backup-fetch "$work/restored" LATEST
du -sm "$work/archive" | awk '{ print "stored: " $1 " MB" }'
