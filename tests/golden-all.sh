#!/usr/bin/env bash
# Restores golden archives with the built executable, as an operator would from the command line: backup-fetch, the
# server of that version, recovery through wal-fetch to each reachable point and to the end, the answers compared; and every
# command that wal-g recorded: exit code, output and errors as they were, but for what docs/WALG-COMPATIBILITY.md lists.
#   tests/golden-all.sh [--full-only] [--quick] [--every-target] [FOLDER [NAME...]]
# FOLDER holds one folder an archive (default: ../shared/golden beside the checkout, else the repository's own few).
# --full-only leaves out delta backups, --quick takes the last point of each backup only, --every-target recovers by time,
# LSN and transaction besides the name. WALRUS: another executable that speaks wal-g's command line. Needs root, python3
# and tests/servers. The last line is 'N equal, N wrong'.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
options=()
while [ $# -gt 0 ] && [ "${1#--}" != "$1" ]; do options+=("$1"); shift; done
folder=${1:-}
[ $# -gt 0 ] && shift
if [ -z "$folder" ]; then
  folder=$top/../shared/golden
  for up in "$top/../.." "$top/../../.."; do [ -d "$folder" ] || folder=$up/shared/golden; done
  [ -d "$folder" ] || folder=$top/tests/Unit/Golden/archives
fi
tool=${WALRUS:-$top/artifacts/bin/walrus}
[ "$(id -u)" = 0 ] || { echo "golden-all.sh: run it as root (it becomes postgres)" >&2; exit 2; }
[ -x "$tool" ] || { echo "golden-all.sh: $tool is not there; ./build.sh build makes it" >&2; exit 2; }
exec python3 "$top/tests/golden-all.py" "$top" "$tool" "$folder" ${options[@]+"${options[@]}"} "$@"
