#!/usr/bin/env python3
"""What it costs to start: the daemon's client, a one-shot push of one segment, and the cmdlet in a cold pwsh.

  bench/start.py [--repeat 200]

Means over --repeat starts (the cmdlet: a tenth), beside /bin/true. Needs artifacts/bin and artifacts/module (./build.sh build).
"""
import argparse
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from archive import LEVEL, Backlog, Bench, Daemon
from harness import TOP, WALRUS, machine, medians, need, print_table, say, timed, workspace, write_csv


def cost(command, environment, repeat):
    """[median ms, mean ms, peak RSS MB]."""
    command, walls = [str(part) for part in command], []
    for _ in range(repeat):
        started = time.perf_counter()
        code = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
        walls.append((time.perf_counter() - started) * 1000)
        if code:
            raise RuntimeError(f"{' '.join(command)} ended with {code}")
    return [statistics.median(walls), statistics.mean(walls), medians([timed(command, environment)[2:3] for _ in range(5)])[0]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=200)
    options = parser.parse_args()
    need(WALRUS, "./build.sh build")
    work = workspace("start")
    try:
        print(machine())
        backlog = Backlog(work, 4)
        bench = Bench(options, work, backlog)
        folder = backlog.prepared(work / "prepared")
        rows = [["/bin/true", *cost(["/bin/true"], None, options.repeat)]]
        settings = bench.settings("folder", "lz4", 1, None)
        client = WALRUS.parent / "walg-daemon-client"
        with Daemon(bench, folder, settings) as daemon:
            name = backlog.names[0]
            daemon.push(name)
            rows.append(["walg-daemon-client check", *cost([client, daemon.path, "check"], None, options.repeat)])
            rows.append(["walrus daemon-client check", *cost([WALRUS, "daemon-client", daemon.path, "check"], None, options.repeat)])
        segment = folder / "pg_wal" / backlog.names[1]
        rows.append(["lz4 command line, the same segment", *cost([*LEVEL["lz4"], segment], settings, max(1, options.repeat // 4))])
        rows.append(["walrus wal-push, 16 MiB, lz4, folder", *cost([WALRUS, "wal-push", segment], settings, max(1, options.repeat // 4))])
        if shutil.which("pwsh"):
            module = TOP / "artifacts" / "module" / "WalRus" / "WalRus.psd1"
            slow = max(1, options.repeat // 10)
            rows.append(["pwsh -NoProfile -Command exit", *cost(["pwsh", "-NoProfile", "-Command", "exit"], settings, slow)])
            rows.append(["cold pwsh, Push-WalSegment, 16 MiB, lz4, folder", *cost(
                ["pwsh", "-NoProfile", "-Command", f"Import-Module {module}; Push-WalSegment {segment}"], settings, slow)])
        else:
            say("not measured: pwsh is not installed")
        print_table(["what", "median ms", "mean ms", "peak RSS MB"], rows)
        write_csv("start.csv", ["what", "median_ms", "mean_ms", "rss_mb"], rows)
    finally:
        subprocess.run(["pkill", "-f", str(work)], check=False)
        time.sleep(0.3)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
