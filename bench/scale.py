#!/usr/bin/env python3
"""Memory and time by the number of files and of objects: nothing may grow with them, and time must be linear.

  bench/scale.py [--parts peers,files,objects,s3,cmdlets] [--files 1000000] [--objects 200000] [--s3-objects 20000] [--lanes 2]

peers    2.4 GB (half pgbench, half text) and 300,000 relation files of one page: push and fetch, syncing as they do by default.
files    a cluster of --files relation files of one page at a quarter, half and all: push, fetch, a delta after 1 % of the files
         changed, fetch of the chain, each from the disk (as root). What was restored is compared: the count, each 97th file.
objects  an archive of --objects (nine of ten WAL segments on two timelines, full backups with six deltas each, leftovers) in a
         folder, at a quarter, half and all: list, show, verify, plan, delete.
s3       the same with --s3-objects on real Ceph, which takes longest to fill.
cmdlets  the module's over the same folders as objects: pwsh alone takes 84 MB.

"exponent" is of seconds from half to all: 1.00 is linear. The size of a confirmed deletion is what it deleted.
Needs artifacts/bin (./build.sh build; cmdlets: ./build.sh module), PostgreSQL's packages, 20 KB of disk a file, an inode an object.
Results: tables and bench/results/scale.csv.
"""
import argparse
import json
import math
import os
import random
import shutil
import struct
import subprocess
import time
from pathlib import Path

from backup import Cluster
from harness import (S3, TOP, WALRUS, machine, need, own, print_table, run, say, timed, workspace, write_csv)
from scale_archive import Objects, fill_folder, fill_s3

PAGE = 8192
EACH = 97
MODULE = TOP / "artifacts" / "module" / "WalRus" / "WalRus.psd1"
HEADER = ["what", "size", "wall s", "per million s", "CPU s", "peak RSS MB"]


class Results:
    """Rows as they come: a table at the end, a line at once."""

    def __init__(self):
        self.rows = []

    def add(self, what, size, row):
        wall, cpu, rss, _ = row
        self.rows.append([what, size, wall, wall / size * 1e6 if size else 0.0, cpu, rss])
        say(f"{what}, {size:,}: {wall:.1f} s, {cpu:.1f} s CPU, RSS {rss:.1f} MB")
        write_csv("scale.csv", ["what", "size", "wall_s", "s_per_million", "cpu_s", "rss_mb"],
                  [[row[0], row[1], *(round(value, 2) for value in row[2:])] for row in self.rows])

    def exponents(self):
        """What the last doubling cost: log2 of the ratio of seconds, of wall and of CPU."""
        table = []
        for what in dict.fromkeys(row[0] for row in self.rows):
            mine = [row for row in self.rows if row[0] == what]
            if len(mine) > 1 and mine[-1][1] != mine[-2][1]:
                (_, small, wall, _, cpu, rss), (_, large, more_wall, _, more_cpu, more_rss) = mine[-2:]
                slope = lambda less, more: math.log(max(more, 0.01) / max(less, 0.01)) / math.log(large / small)
                table.append([what, f"{small:,} to {large:,}", slope(wall, more_wall), slope(cpu, more_cpu), more_rss - rss])
        return table


class Files:
    """Relation files beside a real cluster's: one page each, half of it random, with a header that is PostgreSQL's."""

    def __init__(self, data):
        self.folder = data / "base" / "90000"
        self.folder.mkdir()
        own(self.folder)
        self.count = 0
        self.noise = random.Random(1).randbytes(1 << 20)

    def page(self, number, lsn, changed=False):
        header = struct.pack("<IIHHHHHHI", lsn >> 32, lsn & 0xffffffff, 0, 0, 28, PAGE // 2, PAGE, PAGE | 4, 0)
        start = number * 31 % ((1 << 20) - PAGE // 2) + (1 if changed else 0)
        return header + bytes(PAGE // 2 - len(header)) + self.noise[start:start + PAGE // 2]

    def grow(self, count, lsn):
        root = os.open(self.folder, os.O_RDONLY)
        for number in range(self.count, count):
            file = os.open(str(100000 + number), os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=root)
            os.write(file, self.page(number, lsn))
            if os.geteuid() == 0:
                os.fchown(file, *self.owner())
            os.close(file)
        os.close(root)
        self.count = count

    def owner(self):
        facts = self.folder.stat()
        self.owner = lambda: (facts.st_uid, facts.st_gid)
        return self.owner()

    def change(self, lsn):
        """One in a hundred, as the server would: the page's LSN is of now."""
        for number in range(50, self.count, 100):
            with open(self.folder / str(100000 + number), "r+b") as file:
                file.write(self.page(number, lsn, changed=True))

    def require_equal(self, restored):
        """The count, and of some the bytes."""
        below = restored / "base" / "90000"
        found = sum(1 for _ in os.scandir(below))
        if found != self.count:
            raise RuntimeError(f"{found} files were restored of {self.count}")
        for number in {*range(0, self.count, EACH), *range(50, self.count, 100 * EACH)}:
            name = str(100000 + number)
            if (below / name).read_bytes() != (self.folder / name).read_bytes():
                raise RuntimeError(f"{name} was restored otherwise")


class Backups:
    """One cluster that grows, one archive at a time."""

    def __init__(self, options, work, results, megabytes):
        self.options, self.work, self.results = options, work, results
        self.cluster = Cluster(work, megabytes, 0)
        self.files = Files(self.cluster.data)
        self.archive = work / "archive"
        self.restored = work / "restored"
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(work), "PGHOST": str(self.cluster.socket), "PGUSER": "postgres",
            "PGDATABASE": "postgres", "WALG_FILE_PREFIX": str(self.archive), "WALG_COMPRESSION_METHOD": "lz4",
            "WALG_UPLOAD_CONCURRENCY": str(options.lanes), "WALG_UPLOAD_DISK_CONCURRENCY": str(options.lanes),
            "WALG_DOWNLOAD_CONCURRENCY": str(options.lanes), "WALG_TAR_SIZE_THRESHOLD": str(256 << 20), "WALG_LOG_LEVEL": "ERROR"}

    def lsn(self):
        high, low = self.cluster.sql("select pg_switch_wal(); select pg_current_wal_insert_lsn()").splitlines()[-1].split("/")
        return int(high, 16) << 32 | int(low, 16)

    def grow(self, count):
        begun = time.monotonic()
        self.files.grow(count, self.lsn())
        say(f"{count:,} files made in {time.monotonic() - begun:.0f} s")

    def empty(self):
        empty(self.archive)
        self.archive.mkdir()
        own(self.archive)

    def settle(self, what):
        """
        What grows begins with empty caches: a full memory is reclaimed by whoever needs some, and ext4 looks at each inode that was
        deleted in the last minutes before it gives another one, for as long as it has them in memory.
        """
        run(["sync"])
        if what.startswith("files") and os.geteuid() == 0:
            Path("/proc/sys/vm/drop_caches").write_text("3", encoding="utf-8")

    def push(self, what, *flags, settings=None):
        self.settle(what)
        row = timed([WALRUS, "backup-push", self.cluster.data, *flags], self.environment | (settings or {}))
        self.results.add(what, self.files.count, row)

    def fetch(self, what):
        self.settle(what)
        row = timed([WALRUS, "backup-fetch", self.restored, "LATEST"], self.environment)
        self.results.add(what, self.files.count, row)
        self.files.require_equal(self.restored)
        empty(self.restored)

    def peers(self):
        self.grow(300000 * self.options.files // 1000000)
        self.empty()
        self.push("peers: push")
        self.fetch("peers: fetch")

    def drop_tables(self):
        """What made the peers' cluster large, and is not needed for more files."""
        self.cluster.sql("drop table words, pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")
        self.cluster.sql("checkpoint")

    def scale(self):
        for part in (4, 2, 1):
            count = self.options.files // part
            if self.files.count > count:
                for number in range(count, self.files.count):
                    os.unlink(self.files.folder / str(100000 + number))
                self.files.count = count
            self.grow(count)
            self.empty()
            self.push("files: push")
            if part != 2:
                self.fetch("files: fetch")
            self.files.change(self.lsn())
            self.push("files: delta push", settings={"WALG_DELTA_MAX_STEPS": "1"})
            self.fetch("files: fetch of the chain")


def empty(folder):
    """Python's own takes several times as long."""
    if folder.exists():
        run(["rm", "-rf", folder])


class Listings:
    """Every command that lists, over one archive."""

    def __init__(self, options, work, results, name, settings):
        self.options, self.work, self.results, self.name = options, work, results, name
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(work), "WALG_LOG_LEVEL": "ERROR",
                            "WALRUS_UNFINISHED_BACKUP_AGE": "1m"} | settings

    def measure(self, size, what, *command):
        self.results.add(f"{self.name}: {what}", size, timed([WALRUS, *command], self.environment))

    def read(self, objects):
        size = objects.count
        for command in ("backup-list", "backup-list --detail --json", "st ls -r", "wal-show", "wal-show --detailed-json"):
            self.measure(size, command, *command.split())
        self.measure(size, "wal-verify integrity timeline", "wal-verify", "integrity", "timeline", "--json",
                     "--timeline", "2", "--lsn", objects.last_lsn)
        for what, command in objects.plans():
            self.measure(size, f"delete {what}, plan", "delete", *command)

    def delete(self, objects):
        """Each has what it deleted as its size."""
        left = objects.count
        for what, command in objects.plans():
            row = timed([WALRUS, "delete", *command, "--confirm"], self.environment)
            before, left = left, self.left()
            if left >= before or (left == 0) != (what == "everything"):
                raise RuntimeError(f"delete {what} left {left} objects of {before}")
            self.results.add(f"{self.name}: delete {what}, confirmed", before - left, row)

    def left(self):
        listed = subprocess.run([WALRUS, "st", "ls", "-r"], env=self.environment, check=True, capture_output=True, text=True).stdout
        return sum(1 for line in listed.splitlines() if line.startswith("obj"))

    def cmdlets(self, objects):
        policy = "(New-PgRetentionPolicy -KeepLast 5)"
        for script in ("Get-BackupList", "Get-WalTimeline", f"Get-PgRetentionPlan -Policy {policy}"):
            command = ["pwsh", "-NoProfile", "-Command", f"Import-Module {MODULE}; {script} | Out-Null"]
            self.results.add(f"cmdlets: {script.split()[0]}", objects.count, timed(command, self.environment))


def objects_in_folder(options, work, results):
    sample = sample_backup(work)
    for part in (4, 2, 1):
        root = work / "objects"
        objects = Objects(options.objects // part, sample)
        begun = time.monotonic()
        fill_folder(objects, root)
        say(f"{objects.count:,} objects made in {time.monotonic() - begun:.0f} s")
        listings = Listings(options, work, results, "folder", {"WALG_FILE_PREFIX": str(root)})
        if "objects" in options.parts:
            listings.read(objects)
        if "cmdlets" in options.parts:
            listings.cmdlets(objects)
        if "objects" in options.parts:
            listings.delete(objects)
        empty(root)


def objects_on_s3(options, work, results):
    sample = sample_backup(work)
    with S3() as s3:
        for part in (4, 2, 1):
            objects = Objects(options.s3_objects // part, sample)
            begun = time.monotonic()
            fill_s3(objects, s3, f"scale-{part}")
            say(f"{objects.count:,} objects put in {time.monotonic() - begun:.0f} s")
            listings = Listings(options, work, results, "s3", s3.settings(f"scale-{part}"))
            listings.read(objects)
            listings.delete(objects)


def sample_backup(work):
    """The documents of a real backup, which those of the archive are made of."""
    folder = work / "sample"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    cluster = Cluster(folder, 1, 0)
    try:
        archive = folder / "archive"
        archive.mkdir()
        own(archive)
        run([WALRUS, "backup-push", cluster.data], env={
            "PATH": os.environ["PATH"], "HOME": str(folder), "PGHOST": str(cluster.socket), "PGUSER": "postgres",
            "PGDATABASE": "postgres", "WALG_FILE_PREFIX": str(archive), "WALG_LOG_LEVEL": "ERROR"})
        sentinel = next((archive / "basebackups_005").glob("*_backup_stop_sentinel.json"))
        metadata = next((archive / "basebackups_005").glob("*/metadata.json"))
        return json.loads(sentinel.read_text("utf-8")), json.loads(metadata.read_text("utf-8"))
    finally:
        cluster.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="peers,files,objects,s3,cmdlets")
    parser.add_argument("--files", type=int, default=1000000)
    parser.add_argument("--objects", type=int, default=200000)
    parser.add_argument("--s3-objects", type=int, default=20000)
    parser.add_argument("--lanes", type=int, default=2)
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    need(WALRUS, "./build.sh build")
    if "cmdlets" in options.parts:
        need(MODULE, "./build.sh module")
    work = workspace("scale")
    results, backups, begun = Results(), None, time.monotonic()
    try:
        print(machine())
        if "peers" in options.parts or "files" in options.parts:
            backups = Backups(options, work, results, 2400 if "peers" in options.parts else 1)
            if "peers" in options.parts:
                backups.peers()
                backups.drop_tables()
            if "files" in options.parts:
                backups.scale()
            backups.cluster.stop()
            backups = None
            for name in ("archive", "data", "restored"):
                empty(work / name)
        if "objects" in options.parts or "cmdlets" in options.parts:
            objects_in_folder(options, work, results)
        if "s3" in options.parts:
            objects_on_s3(options, work, results)
    finally:
        if backups:
            backups.cluster.stop()
        time.sleep(0.3)
        empty(work)
        print(f"\n{time.monotonic() - begun:.0f} s in all, {options.lanes} lanes, lz4\n")
        print_table(HEADER, results.rows)
        print()
        print_table(["what", "from half to all", "exponent, wall", "exponent, CPU", "RSS MB more"], results.exponents())


if __name__ == "__main__":
    main()
