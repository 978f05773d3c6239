#!/usr/bin/env python3
"""Delta backups and restores of full + delta, beside pg_basebackup --incremental, pg_combinebackup and pgbackrest.

  bench/delta.py [--mb 2400] [--lanes 2] [--repeat 3] [--spread blocks,rows] [--codec lz4] [--no-pgbackrest] [--no-count]

Makes a cluster of PostgreSQL 17 (half pgbench, half text, data checksums) and its full backups, then updates 1 % of the rows of
pgbench_accounts: those of every hundredth block (blocks), then every hundredth row (rows: most blocks of the table and all of its
index change). After each the deltas are made, every time of the same full backups, by turns; what the last update's took is
restored with its full backup. Nothing is written meanwhile; each tool begins behind a checkpoint and a sync.
Once more each delta is made under strace, which counts the segment files of main forks that it opens and the bytes it reads of
them, held against the segments that pg_walsummary names as changed. A restored relation must equal the server's, byte for byte.
Needs artifacts/bin (./build.sh build), strace and free disk of five times --mb; pgbackrest comes from Debian 13, since older ones
know no PostgreSQL 17. Results: tables and bench/results/delta.csv, delta-restore.csv.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import time

from backup import TAR_BYTES, Cluster
from harness import (WALRUS, as_postgres, debian_program, install, machine, medians, need, own, print_table, run, say, timed,
                     workspace, write_csv)

LOADING = "archive_mode = off\nwal_level = minimal\nmax_wal_senders = 0\n"
WORKING = "archive_mode = on\nwal_level = replica\nmax_wal_senders = 10\nsummarize_wal = on\nwal_keep_size = '64GB'\n"
ROWS_A_BLOCK = 61
SEGMENT_BLOCKS = 131072
UPDATES = {
    "blocks": f"update pgbench_accounts set abalance = abalance + 1 where (aid - 1) / {ROWS_A_BLOCK} % 100 = 7",
    "rows": "update pgbench_accounts set abalance = abalance + 1 where aid % 100 = 7",
}
MAIN_FORK = re.compile(r"/((?:base/\d+|global|pg_tblspc/\d+/[^/]+/\d+)/\d+(?:\.\d+)?)$")


class DeltaCluster(Cluster):
    def __init__(self, work, megabytes):
        super().__init__(work, megabytes, major="17", settings=LOADING)
        run(as_postgres([self.bin / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop"]))
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(WORKING)
        self.start()

    def settle(self):
        """Everything durable, archived and summarized: nothing of it is left for the next backup to wait for."""
        self.sql("checkpoint")
        done = self.sql("select pg_walfile_name(pg_switch_wal())")
        self.until(f"select last_archived_wal >= '{done}' from pg_stat_archiver")
        self.sql("checkpoint")
        self.until("select summarized_lsn >= (select redo_lsn from pg_control_checkpoint()) from pg_get_wal_summarizer_state()")
        run(["sync"])

    def until(self, question):
        for _ in range(3000):
            if self.sql(question) == "t":
                return
            time.sleep(0.1)
        raise RuntimeError(f"not within 300 s: {question}")

    def changed_segments(self, since):
        """What PostgreSQL's own reader of summaries names: 'base/5/16384.1'."""
        changed = set()
        for summary in (self.data / "pg_wal/summaries").glob("*.summary"):
            if int(summary.name[24:40], 16) <= since:
                continue
            for line in run([self.bin / "pg_walsummary", summary]).splitlines():
                found = re.match(r"TS (\d+), DB (\d+), REL (\d+), FORK main: blocks? (\d+)(?:\.\.(\d+))?", line)
                if found:
                    tablespace, database, relation, first, last = (int(number or 0) for number in found.groups())
                    folder = "global" if tablespace == 1664 else f"base/{database}"
                    for segment in range(first // SEGMENT_BLOCKS, max(first, last) // SEGMENT_BLOCKS + 1):
                        changed.add(f"{folder}/{relation}" + (f".{segment}" if segment else ""))
        return changed


class ReadCount:
    """Which relation segments processes open, and how many bytes they read of them, by strace."""

    def __init__(self, data, trace):
        self.data, self.trace = str(data), trace
        self.options = ["strace", "-f", "-qq", "-y", "-e", "trace=openat,read,pread64,preadv", "-e", "signal=none", "-s", "0", "-o", str(trace)]

    def command(self, command):
        self.trace.unlink(missing_ok=True)
        run([*self.options, *map(str, command)])
        return self.sum()

    def server(self, pid, action):
        """Of what a server's new processes read while something asks it."""
        self.trace.unlink(missing_ok=True)
        with subprocess.Popen([*self.options, "-p", str(pid)], stderr=subprocess.DEVNULL) as tracer:
            time.sleep(0.5)
            action()
            tracer.send_signal(signal.SIGINT)
        return self.sum()

    def sum(self):
        opened, read, begun = set(), 0, {}
        with open(self.trace, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                process, call = line.split(maxsplit=1)
                path = re.search(r"<(/[^>]*)>", call)
                result = re.search(r" = (\d+)(?:<(/[^>]*)>)?$", call)
                if result is None:
                    begun[process] = path and path[1]  # another process came between: the end follows
                elif result[2] is not None:
                    opened.add(self.relation(result[2]))
                elif self.relation(begun.pop(process, None) if "resumed>" in call else path and path[1]):
                    read += int(result[1])
        self.trace.unlink()
        return opened - {None}, read

    def relation(self, path):
        """The path below the data directory of a main fork's file, else None."""
        fork = MAIN_FORK.search(path) if path and path.startswith(self.data) else None
        return fork and fork[1]


class Bench:
    def __init__(self, options, work, cluster):
        self.options, self.work, self.cluster = options, work, cluster
        self.deltas, self.restores, self.csv, self.restore_csv = [], [], [], []
        self.archive = work / "archive"
        self.archive.mkdir()
        own(self.archive)
        self.flag = work / "also-pgbackrest"
        self.walrus_environment = {
            "PATH": os.environ["PATH"], "HOME": str(work), "PGHOST": str(cluster.socket), "PGUSER": "postgres", "PGDATABASE": "postgres",
            "WALG_COMPRESSION_METHOD": options.codec, "WALG_UPLOAD_CONCURRENCY": str(options.lanes),
            "WALG_UPLOAD_DISK_CONCURRENCY": str(options.lanes), "WALG_DOWNLOAD_CONCURRENCY": str(options.lanes),
            "WALG_TAR_SIZE_THRESHOLD": str(TAR_BYTES), "WALG_LOG_LEVEL": "ERROR", "WALG_FILE_PREFIX": str(self.archive),
            "WALG_DELTA_MAX_STEPS": "1000", "WALG_USE_WAL_DELTA": "true"}
        self.pgbackrest = None
        if not options.no_pgbackrest:
            self.configure_pgbackrest()
        script = work / "archive-command-and-pgbackrest"  # pgbackrest wants to see its name
        settings = " ".join(f"{key}={value}" for key, value in self.walrus_environment.items() if not key.startswith("PG"))
        lines = ["#!/bin/sh", f"env {settings} {WALRUS} wal-push \"$1\" || exit 1"]
        if self.pgbackrest:
            lines.append(f"[ ! -e {self.flag} ] || exec {' '.join(map(str, self.pgbackrest))} archive-push \"$1\"")
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        script.chmod(0o755)
        cluster.command(f"{script} %p")

    def configure_pgbackrest(self):
        root = self.work / "pgbackrest"
        for name in ("repo", "log", "lock", "spool"):
            (root / name).mkdir(parents=True)
        conf = root / "bench.conf"
        conf.write_text("\n".join([
            "[global]", f"log-path={root}/log", f"lock-path={root}/lock", f"spool-path={root}/spool", "log-level-console=warn",
            "log-level-file=off", f"repo1-path={root}/repo", f"compress-type={'lz4' if self.options.codec == 'lz4' else 'zst'}",
            "compress-level=1", "repo1-bundle=y", "repo1-block=y", f"process-max={self.options.lanes}", "start-fast=y", "[bench]",
            f"pg1-path={self.cluster.data}", f"pg1-socket-path={self.cluster.socket}", "pg1-user=postgres"]) + "\n", encoding="utf-8")
        own(root)
        self.pgbackrest = [debian_program("pgbackrest", "trixie"), f"--config={conf}", "--stanza=bench"]

    def fresh(self, name):
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    # The backups: each a command that is timed, or counted.

    def push(self, *arguments):
        return [WALRUS, "backup-push", self.cluster.data, *arguments]

    def delta(self, source, form):
        return self.push("--delta-from-name", self.full, "--delta-source", source, "--increment-format", form)

    def incremental(self):
        target = self.fresh("incremental")
        return as_postgres([self.cluster.bin / "pg_basebackup", "-D", target, "-c", "fast", "-X", "none",
                            f"--incremental={self.work}/plain/backup_manifest"])

    def pgbackrest_backup(self, form):
        return as_postgres([*self.pgbackrest, "--log-level-console=off", "--log-level-stderr=warn", "backup", f"--type={form}"])

    def newest(self):
        sentinels = (self.archive / "basebackups_005").glob("*_backup_stop_sentinel.json")
        return max(sentinels, key=lambda path: path.stat().st_mtime_ns).name.removesuffix("_backup_stop_sentinel.json")

    def forget(self, name):
        """A delta that nothing will be restored from: ten of a large cluster would fill the disk."""
        (self.archive / "basebackups_005" / f"{name}_backup_stop_sentinel.json").unlink()
        shutil.rmtree(self.archive / "basebackups_005" / name)

    def make_full(self):
        self.cluster.settle()
        self.full_row("walrus", timed(self.push("--full"), self.walrus_environment))
        self.full = self.newest()
        self.since = int(run([self.cluster.bin / "psql", "-XAtqc", "select redo_lsn - '0/0' from pg_control_checkpoint()"],
                             env=self.cluster.environment))
        self.cluster.settle()
        self.full_row("pg_basebackup", timed(as_postgres([self.cluster.bin / "pg_basebackup", "-D", self.work / "plain", "-c", "fast", "-X", "none"]),
                                             self.cluster.environment))
        if self.pgbackrest:
            self.flag.touch()
            run(as_postgres([*self.pgbackrest, "stanza-create"]))
            self.cluster.settle()
            self.full_row("pgbackrest", timed(self.pgbackrest_backup("full")))
            self.flag.unlink()

    def full_row(self, tool, row):
        wall, cpu, rss, vm = row
        self.deltas.append([f"{tool} full", "-", wall, "", "", cpu, rss, vm, "", ""])
        self.csv.append([f"{tool} full", "-", *(round(value, 2) for value in row)])
        say(f"{tool} full: {wall:.1f} s")

    def tools(self):
        """(name, what it is made by, whether the server reads)."""
        walrus = [("walrus, page scan", "pages", "wi1"), ("walrus, WAL map", "wal", "wi1"),
                  ("walrus, summaries, native", "summaries", "native"), ("walrus, summaries, wi1", "summaries", "wi1")]
        for name, source, form in walrus:
            yield name, lambda source=source, form=form: self.delta(source, form), self.walrus_environment, False
        yield "pg_basebackup --incremental", self.incremental, self.cluster.environment, True
        if self.pgbackrest:
            yield "pgbackrest diff", lambda: self.pgbackrest_backup("diff"), None, False

    def prepare(self, name):
        if name.startswith("pgbackrest"):
            self.flag.touch()
        else:
            self.flag.unlink(missing_ok=True)
        self.cluster.settle()

    def make_deltas(self, spread):
        started = time.monotonic()
        self.cluster.sql(UPDATES[spread])
        self.cluster.settle()
        say(f"updated 1 % ({spread}): {time.monotonic() - started:.0f} s")
        rows, named = {}, {}
        for _ in range(self.options.repeat):
            for name, make, environment, _ in self.tools():
                self.prepare(name)
                rows.setdefault(name, []).append(timed(make(), environment))
                if name.startswith("walrus"):
                    if name in named:
                        self.forget(named[name])
                    named[name] = self.newest()
                say(f"{name} ({spread}): {rows[name][-1][0]:.2f} s")
        reference = medians(rows["pg_basebackup --incremental"])[0]
        counts = self.count(spread)
        for name, runs in rows.items():
            wall, cpu, rss, vm = medians(runs)
            self.deltas.append([name, spread, wall, f"{min(row[0] for row in runs):.2f}-{max(row[0] for row in runs):.2f}", wall / reference,
                                cpu, rss, vm, *counts.get(name, ("", ""))])
            self.csv += [[name, spread, *(round(value, 2) for value in row), *counts.get(name, ("", ""))] for row in runs]
        return named

    def count(self, spread):
        """For each tool 'segments opened, those among them that did not change' and MB read; after the timed runs."""
        if self.options.no_count or not install("strace", "strace"):
            return {}
        changed = self.cluster.changed_segments(self.since)
        counter = ReadCount(self.cluster.data, self.work / "trace")
        postmaster = int((self.cluster.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        say(f"({spread}) {len(changed)} relation segments changed")
        counts = {}
        for name, make, environment, by_server in self.tools():
            self.prepare(name)
            before = os.environ.copy()
            os.environ.update(environment or {})
            try:
                opened, read = (counter.server(postmaster, lambda: run(make())) if by_server else counter.command(make()))
            finally:
                os.environ.clear()
                os.environ.update(before)
            if name.startswith("walrus"):
                self.forget(self.newest())
            counts[name] = (f"{len(opened)} ({len(opened - changed)} unchanged)", read / 1e6)
            say(f"{name} ({spread}): opened {counts[name][0]}, read {read / 1e6:.0f} MB")
        return counts

    # The restores

    def make_restores(self, named):
        rows = {}
        for _ in range(self.options.repeat):
            for name, restore in self.restorers(named):
                target = self.fresh("restored")
                run(["sync"])
                rows.setdefault(name, []).append(restore(target))
                say(f"{name}: {rows[name][-1][0]:.2f} s")
                if name.startswith("walrus"):
                    self.compare(target)
                shutil.rmtree(target)
        reference = medians(rows["pg_combinebackup"])[0]
        for name, runs in rows.items():
            wall, cpu, rss, vm = medians(runs)
            self.restores.append([name, wall, f"{min(row[0] for row in runs):.2f}-{max(row[0] for row in runs):.2f}", wall / reference, cpu, rss, vm])
            self.restore_csv += [[name, *(round(value, 2) for value in row)] for row in runs]

    def restorers(self, named):
        for name in ("walrus, summaries, wi1", "walrus, summaries, native"):
            yield (f"walrus backup-fetch, {name.rsplit(' ', 1)[1]}",
                   lambda target, name=name: timed([WALRUS, "backup-fetch", target, named[name]], self.walrus_environment))
        yield "pg_combinebackup", lambda target: timed(as_postgres([
            self.cluster.bin / "pg_combinebackup", self.work / "plain", self.work / "incremental", "-o", target]))
        if self.pgbackrest:
            yield "pgbackrest restore", self.pgbackrest_restore
        yield "disk (cp -a and sync)", lambda target: timed(["sh", "-c", f"cp -a {self.cluster.data}/base {target} && sync -f {target}"])

    def pgbackrest_restore(self, target):
        target.mkdir(mode=0o700)
        own(target)
        return timed(as_postgres([*self.pgbackrest, f"--pg1-path={target}", "restore"]))

    def compare(self, target):
        """The relations that hold the data, with what the server has of them: nothing was written since."""
        self.cluster.sql("checkpoint")
        for table in ("pgbench_accounts", "pgbench_accounts_pkey", "words"):
            path = self.cluster.sql(f"select pg_relation_filepath('{table}')")
            for segment in [self.cluster.data / path, *sorted(self.cluster.data.glob(f"{path}.*"))]:
                run(["cmp", segment, target / segment.relative_to(self.cluster.data)])

    def all(self):
        self.make_full()
        named = {}
        for spread in self.options.spread.split(","):
            named = self.make_deltas(spread)
        self.flag.unlink(missing_ok=True)
        self.make_restores(named)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=2400)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--spread", default="blocks,rows")
    parser.add_argument("--codec", default="lz4")
    parser.add_argument("--no-pgbackrest", action="store_true")
    parser.add_argument("--no-count", action="store_true")
    options = parser.parse_args()
    need(WALRUS, "./build.sh build")
    started = time.monotonic()
    work = workspace("delta")
    cluster = None
    try:
        print(machine())
        cluster = DeltaCluster(work, options.mb)
        say(f"{cluster.megabytes} MB after {time.monotonic() - started:.0f} s")
        bench = Bench(options, work, cluster)
        bench.all()
        print(f"\n{cluster.megabytes} MB in {cluster.files} files, {options.codec}, {options.lanes} lanes, medians of {options.repeat}, "
              f"{time.monotonic() - started:.0f} s in all; ratio: to pg_basebackup --incremental, below to pg_combinebackup\n")
        columns = ["wall s", "range", "ratio", "CPU s", "peak RSS MB", "VmPeak MB"]
        print_table(["backup", "1 % of rows", *columns, "segments opened", "MB read of them"], bench.deltas)
        print()
        print_table(["full + delta", *columns], bench.restores)
        write_csv("delta.csv", ["backup", "spread", "wall_s", "cpu_s", "rss_mb", "vmpeak_mb", "segments", "read_mb"], bench.csv)
        write_csv("delta-restore.csv", ["restore", "wall_s", "cpu_s", "rss_mb", "vmpeak_mb"], bench.restore_csv)
    finally:
        if cluster:
            cluster.stop()
        time.sleep(0.3)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
