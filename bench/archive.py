#!/usr/bin/env python3
"""Archiving speed and memory: the daemon, the one-shot command and the cmdlet, beside the tools others use.

  bench/archive.py [--segments 119] [--repeat 5] [--stores folder,s3] [--codecs lz4,zstd] [--lanes 4,16] [--only NAME,...]
  bench/archive.py --latency     the daemon at 0 and 30 ms of round-trip time to the store
  bench/archive.py --long 10000  the daemon's memory after 100 and after that many segments

A burst of pgbench on a real PostgreSQL leaves a backlog of finished segments. Every tool then drains the same backlog: through
the daemon's socket one at a time as PostgreSQL asks, and (rows 'PostgreSQL + ...') from a real server through archive_command.
The yardstick is the lz4 or zstd command line over the same segments, as many processes as cores, writing nothing.
Needs artifacts/bin (./build.sh build); as root it installs the peers. Results: a table, bench/results/archive.csv,
archive-samples.csv (1 Hz) and archive.svg.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from harness import (MIB, S3, SEGMENT_BYTES, TOP, WALRUS, Sampler, as_postgres, install, machine, medians, need, own, print_table,
                     run, say, timed, workspace, write_csv, write_svg)

LEVEL = {"lz4": ["lz4", "-1", "-q", "-c"], "zstd": ["zstd", "--single-thread", "-3", "-q", "-c"]}


class Backlog:
    """A stopped server with finished segments that nobody has archived, and what it takes to make it so again."""

    def __init__(self, work, count):
        self.data, self.socket, self.count = work / "data", work / "run", count
        self.socket.mkdir()
        self.bin = Path(run([TOP / "tests/servers/postgres.sh", "get", "15"]).strip().splitlines()[-1])
        own(work)
        run(as_postgres([self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"]))
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.socket}'\narchive_mode = on\narchive_command = ''\n"
                       "wal_keep_size = '200GB'\nmax_wal_size = '200GB'\ncheckpoint_timeout = '1h'\nfsync = off\nautovacuum = off\n")
        self.environment = {**os.environ, "PGHOST": str(self.socket), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        self.start()
        self.sql("select pg_create_physical_replication_slot('bench', true)")
        scale = max(1, count // 8)
        run([self.bin / "pgbench", "-i", "-q", "-s", str(scale)], env=self.environment)
        while len(self.ready()) < count:
            run([self.bin / "pgbench", "-c", "4", "-T", "3", "-n"], env=self.environment)
            self.sql("checkpoint")
        self.sql("select pg_switch_wal()")
        self.stop()
        self.names = sorted(self.ready())[:count]
        for name in set(self.ready()) - set(self.names):
            self.status(name, "ready").rename(self.status(name, "done"))

    def status(self, name, suffix):
        return self.data / "pg_wal" / "archive_status" / f"{name}.{suffix}"

    def ready(self):
        return [path.name[:24] for path in (self.data / "pg_wal" / "archive_status").glob("*.ready") if len(path.name) == 30]

    def remaining(self):
        return sum(self.status(name, "ready").exists() for name in self.names)

    def sql(self, text):
        return run([self.bin / "psql", "-XAtqc", text], env=self.environment).strip()

    def start(self):
        run(as_postgres([self.bin / "pg_ctl", "-D", self.data, "-l", self.socket / "log", "-w", "start"]))

    def stop(self):
        run(as_postgres([self.bin / "pg_ctl", "-D", self.data, "-w", "-m", "fast", "stop"]))

    def again(self):
        for name in self.names:
            if self.status(name, "done").exists():
                self.status(name, "done").rename(self.status(name, "ready"))

    def prepared(self, folder):
        """The same segments in a folder that no server owns: hard links, marked ready."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "pg_wal" / "archive_status").mkdir(parents=True)
        for name in self.names:
            os.link(self.data / "pg_wal" / name, folder / "pg_wal" / name)
            (folder / "pg_wal" / "archive_status" / f"{name}.ready").touch()
        return folder


class Bench:
    def __init__(self, options, work, backlog):
        self.options, self.work, self.backlog = options, work, backlog
        self.mib = backlog.count * SEGMENT_BYTES / MIB
        self.rows, self.curves = [], []
        self.runs = 0

    def settings(self, store, codec, lanes, s3):
        self.runs += 1
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        base = {"PATH": os.environ["PATH"], "HOME": str(home), "WALG_COMPRESSION_METHOD": codec, "WALG_UPLOAD_CONCURRENCY": str(lanes),
                "TOTAL_BG_UPLOADED_LIMIT": "1000", "WALG_LOG_LEVEL": "ERROR", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"}
        if codec == "zstd":
            base["WALG_ZSTD_LEVEL"] = "default"
        archive = self.work / "archive"
        shutil.rmtree(archive, ignore_errors=True)
        archive.mkdir()
        own(archive)
        return base | ({"WALG_FILE_PREFIX": str(archive)} if store == "folder" else s3.settings(f"run{self.runs}"))

    # -- the tools: each returns (wall s, CPU s, RSS MB, VmPeak MB)

    def command_line(self, store, codec, lanes, s3):
        listing = self.work / "names"
        listing.write_text("\n".join(str(self.backlog.data / "pg_wal" / name) for name in self.backlog.names), encoding="utf-8")
        words = " ".join(LEVEL[codec])
        return timed(["sh", "-c", f"xargs -a {listing} -P {os.cpu_count()} -n 1 {words} >/dev/null"])

    def daemon(self, store, codec, lanes, s3):
        folder = self.backlog.prepared(self.work / "prepared")
        names = self.backlog.names
        with Daemon(self, folder, self.settings(store, codec, lanes, s3)) as daemon:
            idle = daemon.sampler.look()
            started = time.monotonic()
            for name in names:
                daemon.push(name)
                status = folder / "pg_wal" / "archive_status"
                os.rename(status / f"{name}.ready", status / f"{name}.done")
            wall = time.monotonic() - started
        daemon.sampler.look()
        self.idle = idle
        return wall, daemon.sampler.cpu_seconds, daemon.sampler.rss, daemon.sampler.vm

    def one_shot(self, store, codec, lanes, s3):
        folder = self.backlog.prepared(self.work / "prepared")
        script = self.work / "push.sh"
        script.write_text("set -e\nwhile read -r n; do " + f"{WALRUS} wal-push pg_wal/$n; mv pg_wal/archive_status/$n.ready "
                          "pg_wal/archive_status/$n.done; done\n", encoding="utf-8")
        listing = self.work / "names"
        listing.write_text("\n".join(self.backlog.names) + "\n", encoding="utf-8")
        environment = self.settings(store, codec, lanes, s3)
        return timed(["sh", "-c", f"cd {folder} && sh {script} <{listing}"], environment)

    def cmdlet(self, store, codec, lanes, s3):
        if not shutil.which("pwsh"):
            say("not measured: pwsh is not installed")
            return None
        folder = self.backlog.prepared(self.work / "prepared")
        module = TOP / "artifacts" / "module" / "WalRus" / "WalRus.psd1"
        return timed(["pwsh", "-NoProfile", "-Command", f"$ErrorActionPreference = 'Stop'; Import-Module {module}; "
                      f"Get-ChildItem {folder}/pg_wal -File | Sort-Object Name | Push-WalSegment | Out-Null"],
                     self.settings(store, codec, lanes, s3))

    def drain(self, command, watch, before=None):
        """A real server drains the backlog through archive_command; watch is what the sampler looks at beside the archiver."""
        backlog = self.backlog
        backlog.again()
        backlog.start()
        try:
            if before:
                before()
            archiver = int(backlog.sql("select pid from pg_stat_activity where backend_type = 'archiver'"))
            with Sampler(watch or archiver, backlog.remaining, without=archiver) as sampler:
                started = time.monotonic()
                backlog.sql("alter system set archive_command = $c$" + command + "$c$")
                backlog.sql("select pg_reload_conf()")
                while backlog.remaining():
                    if time.monotonic() - started > 900:
                        raise RuntimeError("not drained after 900 s: " + (backlog.socket / "log").read_text()[-1500:])
                    time.sleep(0.02)
                wall = time.monotonic() - started
            return wall, sampler.cpu_seconds, sampler.rss, sampler.vm
        finally:
            backlog.sql("alter system reset archive_command")
            backlog.stop()

    def postgres_daemon(self, store, codec, lanes, s3):
        client = WALRUS.parent / "walg-daemon-client"
        with Daemon(self, self.backlog.data, self.settings(store, codec, lanes, s3), owned=True) as daemon:
            wall, *_ = self.drain(f"{client} {daemon.path} wal-push %f", None)
        return wall, daemon.sampler.cpu_seconds, daemon.sampler.rss, daemon.sampler.vm

    def postgres_one_shot(self, store, codec, lanes, s3):
        return self.drain(self.with_environment(self.settings(store, codec, lanes, s3), f'{WALRUS} wal-push "%p"'), None)

    def with_environment(self, settings, command):
        return "env " + " ".join(f"{key}={value}" for key, value in settings.items()) + " " + command

    def pgbackrest(self, store, codec, lanes, s3, asynchronous=False):
        if not install("pgbackrest", "pgbackrest"):
            return None
        root = self.work / "pgbackrest"
        shutil.rmtree(root, ignore_errors=True)
        for name in ("repo", "log", "lock", "spool"):
            (root / name).mkdir(parents=True)
        conf = root / "bench.conf"
        lines = ["[global]", f"log-path={root}/log", f"lock-path={root}/lock", f"spool-path={root}/spool", "log-level-console=warn",
                 "log-level-file=off", f"compress-type={'lz4' if codec == 'lz4' else 'zst'}",
                 f"compress-level={1 if codec == 'lz4' else 3}", f"process-max={min(lanes, 4)}",
                 "archive-push-queue-max=1TB", f"archive-async={'y' if asynchronous else 'n'}"]
        if store == "folder":
            lines.append(f"repo1-path={root}/repo")
        else:
            lines += ["repo1-type=s3", f"repo1-path=/pgbackrest{self.runs}", f"repo1-s3-bucket={s3.bucket}",
                      f"repo1-s3-endpoint=127.0.0.1", f"repo1-storage-port={s3.tls_port}", "repo1-storage-verify-tls=n",
                      "repo1-s3-region=us-east-1", "repo1-s3-uri-style=path", f"repo1-s3-key={s3.key}", f"repo1-s3-key-secret={s3.secret}"]
        lines += ["[bench]", f"pg1-path={self.backlog.data}", f"pg1-socket-path={self.backlog.socket}", "pg1-user=postgres"]
        conf.write_text("\n".join(lines) + "\n", encoding="utf-8")
        own(root)
        tool = f"pgbackrest --config={conf} --stanza=bench"
        self.runs += 1
        return self.drain(f"{tool} archive-push %p", str(conf) if asynchronous else None,
                          lambda: run(as_postgres([*tool.split(), "stanza-create"])))

    def pgbackrest_async(self, store, codec, lanes, s3):
        return self.pgbackrest(store, codec, lanes, s3, asynchronous=True)

    def barman(self, store, codec, lanes, s3):
        if store != "s3" or codec != "lz4" or not install("barman-cloud-wal-archive", "barman-cli-cloud", "python3-boto3"):
            return None
        self.runs += 1
        settings = {"PATH": "/usr/bin:/bin", "HOME": str(self.work / "home"), "AWS_ACCESS_KEY_ID": s3.key, "AWS_SECRET_ACCESS_KEY": s3.secret}
        return self.drain(self.with_environment(
            settings, f"barman-cloud-wal-archive -z --endpoint-url {s3.endpoint} s3://{s3.bucket}/barman{self.runs} bench %p"), None)

    def receivewal(self, store, codec, lanes, s3):
        if store != "folder" or codec != "lz4":
            return None
        backlog, target = self.backlog, self.work / "received"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        own(target)
        backlog.start()
        slot = f"run{self.runs}"
        self.runs += 1
        try:
            end = backlog.sql("select pg_current_wal_flush_lsn()")
            backlog.sql(f"select pg_copy_physical_replication_slot('bench', '{slot}')")
            return timed(as_postgres([backlog.bin / "pg_receivewal", "-D", target, "-S", slot, "-n", "-Z", "lz4", "-E", end]),
                         backlog.environment)
        finally:
            backlog.sql(f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{slot}'")
            backlog.stop()

    TOOLS = {"command line": command_line, "walrus daemon": daemon, "walrus wal-push": one_shot, "Push-WalSegment in pwsh": cmdlet,
             "PostgreSQL + walrus daemon": postgres_daemon, "PostgreSQL + walrus wal-push": postgres_one_shot,
             "PostgreSQL + pgbackrest": pgbackrest, "PostgreSQL + pgbackrest async": pgbackrest_async,
             "PostgreSQL + barman-cloud (gzip)": barman, "pg_receivewal": receivewal}

    def all(self):
        chosen = [name for name in self.TOOLS if not self.options.only or any(word in name for word in self.options.only.split(","))]
        for store in self.options.stores.split(","):
            for codec in self.options.codecs.split(","):
                for lanes in map(int, self.options.lanes.split(",")):
                    self.compare(store, codec, lanes, chosen)

    def compare(self, store, codec, lanes, chosen):
        header = ["tool", "MiB/s", "range", "of the command line", "CPU-s per GiB", "peak RSS MB", "VmPeak MB"]
        table, yardstick = [], None
        for name in chosen:
            rows = []
            for _ in range(self.options.repeat):
                # A gateway of its own for each run: what earlier ones left in its memory would slow the later.
                try:
                    row = self.measure(name, store, codec, lanes)
                except RuntimeError as failed:
                    say(f"not measured: {name} on {store}: {failed}")
                    row = None
                if row is None:
                    break
                rows.append(row)
            if not rows:
                continue
            wall, cpu, rss, vm = medians(rows)
            speeds = [self.mib / row[0] for row in rows]
            speed = self.mib / wall
            yardstick = yardstick or (speed if name == "command line" else None)
            table.append([name, speed, f"{min(speeds):.0f}-{max(speeds):.0f}", speed / yardstick if yardstick else 0.0,
                          cpu / (self.mib / 1024), rss, vm])
            self.rows += [[store, codec, lanes, name, *map(lambda value: round(value, 3), row)] for row in rows]
            say(f"{store} {codec} {lanes} lanes: {name}: {speed:.0f} MiB/s, RSS {rss:.0f} MB, VmPeak {vm:.0f} MB")
        print(f"\n{store}, {codec}, {lanes} lanes, {self.backlog.count} segments, medians of {self.options.repeat}\n")
        print_table(header, table)

    def measure(self, name, store, codec, lanes):
        tool = self.TOOLS[name]
        run(["sync"])
        if store == "folder" or name == "command line":
            return tool(self, store, codec, lanes, None)
        with S3() as s3:
            return tool(self, store, codec, lanes, s3)

    def latency(self):
        """The drain rate at 30 ms of round-trip time beside the one at 0 ms, through the same proxy."""
        table = []
        proxy = TOP / "tests" / "servers" / "fault-proxy.sh"
        for codec in self.options.codecs.split(","):
            for lanes in map(int, self.options.lanes.split(",")):
                speeds = {}
                for milliseconds in (0, 30):
                    rows = []
                    for _ in range(self.options.repeat):
                        with S3() as s3:
                            run([proxy, "start", "9690", s3.endpoint.split("//")[1], f"latency={milliseconds // 2}"])
                            try:
                                s3.endpoint = "http://127.0.0.1:9690"
                                rows.append(self.daemon("s3", codec, lanes, s3))
                            finally:
                                run([proxy, "stop", "9690"])
                    speeds[milliseconds] = self.mib / medians(rows)[0]
                table.append([codec, lanes, speeds[0], speeds[30], speeds[30] / speeds[0]])
        print(f"\nS3 behind a proxy, {self.backlog.count} ready segments\n")
        print_table(["codec", "lanes", "MiB/s at 0 ms", "MiB/s at 30 ms", "ratio"], table)

    def long(self, total):
        table = []
        for store in self.options.stores.split(","):
            for codec in self.options.codecs.split(","):
                lanes = int(self.options.lanes.split(",")[0])
                folder = self.backlog.prepared(self.work / "prepared")
                with S3(gib=24) as s3, Daemon(self, folder, self.settings(store, codec, lanes, s3)) as daemon:
                    early = done = 0
                    while done < total:
                        for name in self.backlog.names:
                            daemon.push(name)
                            done += 1
                            if done == 100:
                                daemon.sampler.look()
                                early = daemon.sampler.rss
                        # The same segments again: PostgreSQL marks what it wants archived.
                        for name in self.backlog.names:
                            (folder / "pg_wal" / "archive_status" / f"{name}.ready").touch()
                    daemon.sampler.look()
                    table.append([store, codec, lanes, done, early, daemon.sampler.rss, daemon.sampler.rss / early, daemon.sampler.vm])
        print_table(["store", "codec", "lanes", "segments", "peak RSS MB after 100", "at the end", "ratio", "VmPeak MB"], table)


class Daemon:
    """The daemon over one data directory, and a client that asks as PostgreSQL does: one segment, then wait."""

    def __init__(self, bench, data, settings, owned=False):
        self.path = bench.work / "run" / ("postgres.sock" if owned else "walrus.sock")
        command = [str(WALRUS), "daemon", str(self.path)]
        environment = settings | {"PGDATA": str(data)}
        self.process = subprocess.Popen(as_postgres(command) if owned else command, env=environment, stderr=sys.stderr)
        self.sampler = Sampler(self.process.pid, lambda: sum(1 for _ in (Path(data) / "pg_wal/archive_status").glob("*.ready")), "walrus daemon")
        self.bench = bench
        if not owned:
            own(bench.work / "prepared")
        for _ in range(200):
            if self.path.exists() and self.ask(b"C\0\3") == b"O":
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        raise RuntimeError("the daemon does not answer")

    def ask(self, message):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(120)
            try:
                client.connect(str(self.path))
            except OSError:
                return b""
            client.sendall(message)
            return client.recv(3)[:1]

    def push(self, name):
        answer = self.ask(b"F" + (3 + len(name)).to_bytes(2, "big") + name.encode())
        if answer != b"O":
            raise RuntimeError(f"the daemon answered {answer!r} for {name}")

    def __enter__(self):
        self.sampler.__enter__()
        return self

    def __exit__(self, *_):
        self.sampler.__exit__()
        self.bench.curves += self.sampler.curve
        self.process.terminate()
        self.process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=119)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--stores", default="folder,s3")
    parser.add_argument("--codecs", default="lz4,zstd")
    parser.add_argument("--lanes", default="4")
    parser.add_argument("--only", default="", help="tools whose name holds one of these words")
    parser.add_argument("--latency", action="store_true")
    parser.add_argument("--long", type=int, default=0)
    options = parser.parse_args()
    need(WALRUS, "./build.sh build")
    work = workspace("archive")
    try:
        print(machine())
        backlog = Backlog(work, options.segments)
        bench = Bench(options, work, backlog)
        if options.latency:
            bench.latency()
        elif options.long:
            bench.long(options.long)
        else:
            bench.all()
            write_csv("archive.csv", ["store", "codec", "lanes", "tool", "wall_s", "cpu_s", "rss_mb", "vmpeak_mb"], bench.rows)
        write_csv("archive-samples.csv", ["what", "second", "rss_mb", "vmpeak_mb", "cpu_s", "backlog"], bench.curves)
        write_svg("archive.svg", "Resident memory of the daemon", "MB",
                  {"walrus daemon": [(row[1], row[2]) for row in bench.curves]})
    finally:
        subprocess.run(["pkill", "-f", str(work)], check=False)
        time.sleep(0.5)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
