#!/usr/bin/env python3
"""Base backup and restore, speed and memory, beside pg_basebackup and pgbackrest on the same disk.

  bench/backup.py [--mb 2400] [--files 0] [--lanes 2] [--repeat 5] [--stores folder,s3] [--codecs lz4,zstd] [--no-pgbackrest]

Makes a cluster (half pgbench, half text) in which nothing is written meanwhile, backs it up and restores it with each tool.
--files adds that many tables of one page: memory must not grow with them. 'disk' is what the disk alone needs for the same bytes:
a copy of the data directory, synced. Needs artifacts/bin (./build.sh build) and free disk of four times --mb; as root it
installs pgbackrest. Results: a table and bench/results/backup.csv.
"""
import argparse
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import (S3, TOP, WALRUS, as_postgres, install, machine, medians, need, own, print_table, run, say, timed, workspace, write_csv)

TAR_BYTES = 256 << 20


class Cluster:
    def __init__(self, work, megabytes, files=0, major="15", settings=""):
        self.data, self.socket = work / "data", work / "run"
        self.socket.mkdir()
        own(work)
        self.bin = Path(run([TOP / "tests/servers/postgres.sh", "get", major]).strip().splitlines()[-1])
        run(as_postgres([self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-k", "--no-sync"]))
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.socket}'\narchive_mode = on\narchive_command = 'true'\n"
                       f"max_wal_size = '16GB'\nfsync = off\nmax_locks_per_transaction = 10000\nautovacuum = off\n{settings}")
        self.environment = {**os.environ, "PGHOST": str(self.socket), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        self.start()
        self.fill(megabytes, files)
        self.sql("checkpoint")
        self.megabytes = sum(path.stat().st_size for path in (self.data / "base").rglob("*") if path.is_file()) >> 20
        self.files = sum(1 for path in self.data.rglob("*") if path.is_file())

    def start(self):
        run(as_postgres([self.bin / "pg_ctl", "-D", self.data, "-l", self.socket / "log", "-w", "start"]))

    def fill(self, megabytes, files):
        """Half of pgbench's tables, half of text: at once, on a core each."""
        with ThreadPoolExecutor() as beside:
            words = beside.submit(self.sql, "create table words as select n, md5(n::text) || repeat(md5((n / 7)::text), 3) as t "
                                            f"from generate_series(1, {megabytes * 2900}) n")
            run([self.bin / "pgbench", "-i", "-q", "-s", str(max(1, megabytes // 30))], env=self.environment)
            words.result()
        for first in range(1, files + 1, 2000):
            last = min(first + 1999, files)
            self.sql(f"do $$ begin for i in {first}..{last} loop execute format('create table f%s as select 1 as x', i); end loop; end $$")

    def sql(self, text):
        return run([self.bin / "psql", "-XAtqc", text], env=self.environment).strip()

    def command(self, archive_command):
        self.sql("alter system set archive_command = $c$" + archive_command + "$c$")
        self.sql("select pg_reload_conf()")

    def stop(self):
        subprocess.run(as_postgres([self.bin / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"]), check=False, stdout=subprocess.DEVNULL)


class Bench:
    def __init__(self, options, work, cluster):
        self.options, self.work, self.cluster = options, work, cluster
        self.rows, self.table, self.runs = [], [], 0

    def fresh(self, name):
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def record(self, name, store, codec, rows, reference):
        wall, cpu, rss, vm = medians(rows)
        self.table.append([name, store, codec, wall, f"{min(row[0] for row in rows):.1f}-{max(row[0] for row in rows):.1f}",
                           wall / reference if reference else 1.0, cpu, rss, vm])
        self.rows += [[name, store, codec, *map(lambda value: round(value, 2), row)] for row in rows]
        say(f"{name} {store} {codec}: {wall:.1f} s, RSS {rss:.0f} MB, VmPeak {vm:.0f} MB")
        return wall

    def repeat(self, action):
        rows = []
        for _ in range(self.options.repeat):
            run(["sync"])
            rows.append(action())
        return rows

    def pg_basebackup(self):
        target = self.fresh("plain")
        return timed(as_postgres([self.cluster.bin / "pg_basebackup", "-D", target, "-c", "fast", "-X", "none"]), self.cluster.environment)

    def disk(self):
        target = self.fresh("copy")
        return timed(["sh", "-c", f"cp -a {self.cluster.data} {target} && sync -f {target}"])

    def walrus(self, store, codec, settings):
        """Push and fetch in turn: (rows of pushes, rows of fetches)."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.work), "PGHOST": str(self.cluster.socket), "PGUSER": "postgres",
                       "PGDATABASE": "postgres", "WALG_COMPRESSION_METHOD": codec, "WALG_UPLOAD_CONCURRENCY": str(self.options.lanes),
                       "WALG_UPLOAD_DISK_CONCURRENCY": str(self.options.lanes), "WALG_DOWNLOAD_CONCURRENCY": str(self.options.lanes),
                       "WALG_TAR_SIZE_THRESHOLD": str(TAR_BYTES), "WALG_LOG_LEVEL": "ERROR"} | settings
        self.cluster.command("env " + " ".join(f"{key}={value}" for key, value in environment.items() if not key.startswith("PG"))
                             + f" {WALRUS} wal-push %p")
        run(["sync"])
        pushed = timed([WALRUS, "backup-push", self.cluster.data], environment)
        target = self.fresh("restored")
        run(["sync"])
        fetched = timed([WALRUS, "backup-fetch", target, "LATEST"], environment)
        shutil.rmtree(target)
        return pushed, fetched

    def walrus_folder(self, codec):
        archive = self.fresh("archive")
        archive.mkdir()
        own(archive)
        return self.walrus("folder", codec, {"WALG_FILE_PREFIX": str(archive)})

    def walrus_s3(self, codec):
        with S3(gib=6) as s3:
            return self.walrus("s3", codec, s3.settings("backup"))

    def pgbackrest(self, codec):
        root = self.fresh("pgbackrest")
        for name in ("repo", "log", "lock", "spool"):
            (root / name).mkdir(parents=True)
        conf = root / "bench.conf"
        conf.write_text("\n".join([
            "[global]", f"log-path={root}/log", f"lock-path={root}/lock", f"spool-path={root}/spool", "log-level-console=warn",
            "log-level-file=off", f"repo1-path={root}/repo", f"compress-type={'lz4' if codec == 'lz4' else 'zst'}", "compress-level=1",
            f"process-max={self.options.lanes}", "start-fast=y", "[bench]", f"pg1-path={self.cluster.data}",
            f"pg1-socket-path={self.cluster.socket}", "pg1-user=postgres"]) + "\n", encoding="utf-8")
        own(root)
        tool = ["pgbackrest", f"--config={conf}", "--stanza=bench"]
        self.cluster.command(" ".join(tool) + " archive-push %p")
        run(as_postgres([*tool, "stanza-create"]))
        run(["sync"])
        pushed = timed(as_postgres([*tool, "backup", "--type=full"]))
        target = self.fresh("restored")
        target.mkdir(mode=0o700)
        own(target)
        run(["sync"])
        fetched = timed(as_postgres([*tool, f"--pg1-path={target}", "restore"]))
        shutil.rmtree(target)
        return pushed, fetched

    def all(self):
        pushes = self.record("pg_basebackup plain", "folder", "-", self.repeat(self.pg_basebackup), None)
        copies = self.record("disk (cp and sync)", "folder", "-", self.repeat(self.disk), None)
        for name in ("plain", "copy"):
            self.fresh(name)
        for codec in self.options.codecs.split(","):
            tools = [(f"walrus", store, getattr(self, f"walrus_{store}")) for store in self.options.stores.split(",")]
            if not self.options.no_pgbackrest and install("pgbackrest", "pgbackrest"):
                tools.append(("pgbackrest", "folder", self.pgbackrest))
            for name, store, tool in tools:
                both = [tool(codec) for _ in range(self.options.repeat)]
                self.record(f"{name} backup", store, codec, [push for push, _ in both], pushes)
                self.record(f"{name} restore", store, codec, [fetch for _, fetch in both], copies)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=2400)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--stores", default="folder,s3")
    parser.add_argument("--codecs", default="lz4,zstd")
    parser.add_argument("--no-pgbackrest", action="store_true")
    options = parser.parse_args()
    need(WALRUS, "./build.sh build")
    work = workspace("backup")
    cluster = None
    try:
        print(machine())
        cluster = Cluster(work, options.mb, options.files)
        bench = Bench(options, work, cluster)
        bench.all()
        print(f"\n{cluster.megabytes} MB in {cluster.files} files, {options.lanes} lanes, medians of {options.repeat}; "
              "ratio: backup to pg_basebackup, restore to the disk\n")
        print_table(["tool", "store", "codec", "wall s", "range", "ratio", "CPU s", "peak RSS MB", "VmPeak MB"], bench.table)
        write_csv("backup.csv", ["tool", "store", "codec", "wall_s", "cpu_s", "rss_mb", "vmpeak_mb"], bench.rows)
    finally:
        if cluster:
            cluster.stop()
        time.sleep(0.3)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
