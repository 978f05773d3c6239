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

from archive import Backlog, Bench, Daemon
from harness import TOP, WALRUS, machine, need, print_table, say, workspace, write_csv


def cost(command, environment, repeat, before=lambda: None):
    """(median ms, mean ms, peak RSS MB)."""
    walls, most = [], 0
    for _ in range(repeat):
        before()
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        walls.append((time.perf_counter() - started) * 1000)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}")
        most = max(most, usage.ru_maxrss / 1024)
    return [statistics.median(walls), statistics.mean(walls), most]


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
