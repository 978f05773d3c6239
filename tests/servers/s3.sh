#!/usr/bin/env bash
# A real S3 endpoint for the tests: Ceph 18.2's object gateway on one node, loopback only, HTTP and HTTPS. Root is not needed.
#   s3.sh start     prints 'ready http://... https://... key=... secret=... ca=FILE'; at once when it already runs
#   s3.sh status    the same line, or fails when it does not run
#   s3.sh stop      ends it and deletes its data
# env: WALRUS_S3_PORT (9480; HTTPS is on the next port, the monitor on the one after), WALRUS_S3_DIR (logs, certificate, data),
#      WALRUS_S3_STORE memory|disk, WALRUS_S3_BYTES (what objects may take, 2 GiB; past it a PUT answers 403 QuotaExceeded),
#      WALRUS_S3_CLASSES (STANDARD_IA), WALRUS_TEST_CACHE (where Ceph is unpacked, once)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source "$here/common.sh"

port=${WALRUS_S3_PORT:-9480}
tls_port=$((port + 1))
monitor_port=$((port + 2))
folder=${WALRUS_S3_DIR:-${TMPDIR:-/tmp}/walrus-s3-$port}
store=${WALRUS_S3_STORE:-memory}
bytes=${WALRUS_S3_BYTES:-$((2 << 30))}
classes=${WALRUS_S3_CLASSES-STANDARD_IA}
key=testaccesskey
secret=testsecretkey

ceph=$cache/ceph-18
ceph_libraries() { for libraries in "$ceph"/usr/lib/*-linux-gnu; do :; done; }

# Runs a program of the unpacked Ceph with its own loader and libraries: no chroot, and the host's libraries do not matter.
in_ceph() {
  local program=$1
  shift
  ceph_libraries
  "$libraries"/ld-linux-*.so.* --library-path "$libraries:$libraries/ceph" "$ceph/usr/bin/$program" "$@"
}

# Leaves a program running after this script and its shell have ended.
spawn() {
  local name=$1 program=$2
  shift 2
  ceph_libraries
  setsid "$libraries"/ld-linux-*.so.* --library-path "$libraries:$libraries/ceph" "$ceph/usr/bin/$program" -c "$folder/ceph.conf" "$@" \
    </dev/null >"$folder/$name.out" 2>&1 &
  echo $! >"$folder/$name.pid"
}

# The process of a pid file, when it still is ours: pids are used again.
running_pid() {
  local pid
  pid=$(cat "$folder/$1.pid" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-c $folder/ceph.conf" || return 1
  echo "$pid"
}

# A signed listing reads from the object store, so it answers only when all of Ceph does.
answers() {
  # Older curl versions sign the hash of the body without sending it, and S3 wants it sent: this one is of an empty body.
  curl --header x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --silent --fail --output /dev/null --max-time "${1:-5}" --noproxy '*' \
    --aws-sigv4 aws:amz:us-east-1:s3 --user "$key:$secret" "http://127.0.0.1:$port/"
}

ready_line() {
  echo "ready http://127.0.0.1:$port https://127.0.0.1:$tls_port key=$key secret=$secret ca=$folder/ca.pem"
}

is_ready() { running_pid gateway >/dev/null && [ -e "$folder/ready" ] && answers; }

# Without ceremony: the data are deleted anyway.
end_processes() {
  local name pid
  for name in gateway osd monitor; do
    pid=$(running_pid "$name") || continue
    kill -KILL "$pid" 2>/dev/null || :
    # Their ports must be free, and no file of theirs come back, when this returns.
    for _ in {1..100}; do
      running_pid "$name" >/dev/null || break
      sleep 0.05
    done
  done
}

stop() {
  [ -e "$folder/ceph.conf" ] || return 0
  end_processes
  rm -rf "$folder"
}

install_ceph() {
  [ -e "$ceph/.complete" ] && return
  say "unpacking Ceph into $ceph"
  run_logged "$cache/log/ceph-18.log" "$here/extract-debian.sh" trixie "$ceph.new" radosgw ceph-mon ceph-osd ceph-common
  rm -rf "$ceph"
  mv "$ceph.new" "$ceph"
  in_ceph radosgw --version >&2
  touch "$ceph/.complete"
}

write_configuration() {
  ceph_libraries
  local object_store=memstore
  [ "$store" = disk ] && object_store=bluestore
  # Sizes and intervals are for one node that starts in a second; checks that guard real data, such as the messages' own
  # checksums between processes of one machine, are off.
  cat >"$folder/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = [v2:127.0.0.1:$monitor_port]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr1 = false
ms_crc_data = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
run_dir = $folder
crash_dir = $folder
log_file = $folder/\$name.log
admin_socket =
plugin_dir = $libraries/ceph
erasure_code_dir = $libraries/ceph/erasure-code
osd_class_dir = $libraries/rados-classes
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_client_hunt_interval = 0.5
mon_client_hunt_interval_backoff = 1
debug_ms = 0/0
debug_mon = 0/0
debug_paxos = 0/0
debug_osd = 0/0
debug_bluestore = 0/0
debug_bdev = 0/0
debug_rocksdb = 0/0
debug_rgw = 0/0
debug_rgw_access = 0/0

[mon]
mon_data = $folder/monitor
mon_data_avail_warn = 1
mon_data_avail_crit = 0
mon_tick_interval = 1
paxos_propose_interval = 0.05
paxos_min_wait = 0.01

[osd]
osd_data = $folder/osd
osd_objectstore = $object_store
osd_memory_target = 1073741824
# Room above the quota for metadata and for deleted objects that the gateway has not collected yet.
memstore_device_bytes = $((bytes * 4))
bluestore_block_size = $((bytes * 2 + (1 << 30)))
bluestore_block_create = true

[client]
ms_mon_client_mode = crc
rgw_dns_name = localhost
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_verify_ssl = false
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=
rgw_thread_pool_size = 64
rgw_gc_obj_min_wait = 2
rgw_gc_processor_period = 2
rgw_gc_processor_max_time = 5
rgw_user_quota_bucket_sync_interval = 5
CONF
}

# A CA of its own and a server certificate signed by it, so that clients can be tested with real verification.
make_certificates() (
  cd "$folder"
  umask 077
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=WalRus test CA' \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out server.pem -extfile <(
    echo 'subjectAltName = DNS:localhost, DNS:*.localhost, IP:127.0.0.1'
    echo 'extendedKeyUsage = serverAuth'
  )
  rm ca.key ca.srl server.csr
  chmod 644 ca.pem
)

ceph_command() { PYTHONHOME=$ceph/usr PYTHONDONTWRITEBYTECODE=1 in_ceph python3.13 "$ceph/usr/bin/ceph" -c "$folder/ceph.conf" "$@"; }
admin() { in_ceph radosgw-admin -c "$folder/ceph.conf" "$@" >>"$folder/admin.out" 2>&1; }

start_monitor_and_osd() {
  local fsid osd_id
  fsid=$(sed -n 's/^fsid = //p' "$folder/ceph.conf")
  osd_id=$(cat /proc/sys/kernel/random/uuid)
  in_ceph monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor_port]" "$folder/monmap" >"$folder/setup.out" 2>&1
  in_ceph ceph-mon -c "$folder/ceph.conf" -i a --mkfs --monmap "$folder/monmap" >>"$folder/setup.out" 2>&1
  spawn monitor ceph-mon -i a -f
  ceph_command --connect-timeout 20 osd new "$osd_id" >>"$folder/setup.out" 2>&1
  in_ceph ceph-osd -c "$folder/ceph.conf" -i 0 --mkfs --osd-uuid "$osd_id" >>"$folder/setup.out" 2>&1
  spawn osd ceph-osd -i 0 -f
}

create_user() {
  admin user create --uid=test --display-name=test --access-key="$key" --secret-key="$secret"
  admin quota set --quota-scope=user --uid=test --max-size="$bytes"
  admin quota enable --quota-scope=user --uid=test
  local class
  for class in $classes; do
    admin zonegroup placement add --rgw-zonegroup default --placement-id default-placement --storage-class "$class"
    admin zone placement add --rgw-zone default --placement-id default-placement --storage-class "$class" \
      --data-pool default.rgw.buckets.data
  done
}

# Runs under the folder's lock.
start() {
  if is_ready; then
    ready_line
    return
  fi
  stop
  [ ! -e "$folder" ] || rmdir "$folder" 2>/dev/null || die "$folder is not empty and not mine: choose another folder with WALRUS_S3_DIR"
  local taken
  for taken in "$port" "$tls_port" "$monitor_port"; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$taken") 2>/dev/null; then
      die "port $taken is taken: set WALRUS_S3_PORT to the first of three free ports"
    fi
  done
  mkdir -p "$folder"/{monitor,osd}
  chmod 755 "$folder"
  write_configuration
  make_certificates >"$folder/certificates.out" 2>&1
  trap 'failed' EXIT
  start_monitor_and_osd
  create_user
  spawn gateway radosgw -n client.rgw -f --rgw_frontends="beast endpoint=127.0.0.1:$port tcp_nodelay=1 \
ssl_endpoint=127.0.0.1:$tls_port ssl_certificate=$folder/server.pem ssl_private_key=$folder/server.key"
  local deadline=$((SECONDS + 60))
  until answers 1; do
    running_pid gateway >/dev/null && [ $SECONDS -lt $deadline ] || exit 1
    sleep 0.1
  done
  touch "$folder/ready"
  trap - EXIT
  ready_line
}

failed() {
  end_processes
  tail -n 5 "$folder"/*.out "$folder"/*.log >&2 || :
  die "the S3 server did not start; everything it said is in $folder"
}

case ${1:-} in
  start)
    if ! is_ready; then # the lock and the cache are only for those who have to start it
      need_command curl curl
      need_command openssl openssl
      if [ ! -e "$ceph/.complete" ]; then
        make_cache
        with_lock "$cache/.lock-ceph-18" "$here/s3.sh" install-under-lock ||
          die "Ceph could not be unpacked (log: $cache/log/ceph-18.log). Check the network and the package sources ('apt-get update')"
      fi
      mkdir -p "$(dirname "$folder")"
      with_lock "$folder.$(id -u).lock" "$here/s3.sh" start-under-lock
    else
      ready_line
    fi
    ;;
  status) if is_ready; then ready_line; else die "no S3 server of folder $folder answers on port $port"; fi ;;
  stop) stop ;;
  install-under-lock) install_ceph ;;
  start-under-lock) start ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$here/s3.sh" >&2
    exit 2
    ;;
esac
