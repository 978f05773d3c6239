"""What every benchmark here uses: servers of this repository, processes that are sampled, medians, CSV and SVG.

Nothing here is timed by a test: figures depend on the machine, so each run measures its peers too and prints ratios.
"""
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RESULTS = TOP / "bench" / "results"
WALRUS = TOP / "artifacts" / "bin" / "walrus"
TICKS = os.sysconf("SC_CLK_TCK")
SEGMENT_BYTES = 16 << 20
MIB = 1 << 20


def say(text):
    print(text, file=sys.stderr, flush=True)


def need(path, how):
    if not Path(path).exists():
        sys.exit(f"bench: {path} is missing: {how}")


def install(command, *packages):
    """A peer from Debian's packages, by name; False (and said) where it cannot be had."""
    if shutil.which(command):
        return True
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if shutil.which(command):
        return True
    say(f"not measured: {command} is not installed (Debian: apt-get install {' '.join(packages)})")
    return False


def debian_program(command, suite):
    """A program of another Debian release, from the tests' cache: its own loader and libraries, so nothing is installed."""
    cache = Path(os.environ.get("WALRUS_TEST_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "walrus-tests")
    folder = cache / f"{command}-{suite}"
    program = folder / "usr/bin" / command
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run([TOP / "tests/servers/extract-debian.sh", suite, folder, command, "patchelf"])
        libraries = next((folder / "usr/lib").glob("*-linux-gnu"))
        loader = next(libraries.glob("ld-linux*.so.*"))
        run([loader, "--library-path", libraries, folder / "usr/bin/patchelf", "--force-rpath", "--set-rpath", libraries,
             "--set-interpreter", loader, program])
        (folder / ".complete").touch()
    return program


def workspace(name):
    """A folder that only this run uses, readable for the server's account. WALRUS_BENCH_FOLDER says where."""
    folder = Path(tempfile.mkdtemp(prefix=f"walrus-{name}-", dir=os.environ.get("WALRUS_BENCH_FOLDER", "/var/tmp")))
    folder.chmod(0o755)
    return folder


def as_postgres(command):
    """PostgreSQL does not run as root, nor does what its archive_command starts."""
    if os.geteuid() != 0:
        return [str(part) for part in command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *map(str, command)]


def own(folder):
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "postgres:", str(folder)], check=True)


def run(command, **options):
    """Runs to the end; its output is shown when it fails."""
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


class S3:
    """Real S3: Ceph's gateway of tests/servers, on ports of its own. Started anew for each use: it keeps objects in memory."""

    def __init__(self, gib=12, port=9680):
        self.script = TOP / "tests" / "servers" / "s3.sh"
        self.environment = {**os.environ, "WALRUS_S3_PORT": str(port), "WALRUS_S3_BYTES": str(gib << 30)}
        self.endpoint = f"http://127.0.0.1:{port}"
        self.tls_port = port + 1
        self.bucket = "bench"

    def __enter__(self):
        self.stop()
        line = run([self.script, "start"], env=self.environment).strip().splitlines()[-1]
        self.ca = line.split("ca=")[1].split()[0]
        self.key, self.secret = (line.split(f"{word}=")[1].split()[0] for word in ("key", "secret"))
        run(["curl", "-sf", "-X", "PUT", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{self.key}:{self.secret}",
             "-H", "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
             f"{self.endpoint}/{self.bucket}"])
        return self

    def stop(self):
        subprocess.run([str(self.script), "stop"], env=self.environment, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)

    def __exit__(self, *_):
        self.stop()

    def settings(self, prefix, endpoint=None):
        return {"WALG_S3_PREFIX": f"s3://{self.bucket}/{prefix}", "AWS_ENDPOINT": endpoint or self.endpoint,
                "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": "us-east-1",
                "AWS_S3_FORCE_PATH_STYLE": "true"}


class Sampler:
    """Memory and CPU of processes and all below them, at 10 Hz: peaks for the result, one line a second for the curve.

    roots is a process id, or a text: then every process whose command line holds it counts (a tool that goes into the
    background is nobody's child any more). without is a process whose memory is not the tool's: the server's archiver.
    """

    def __init__(self, roots, backlog=lambda: 0, name="", without=None):
        self.roots, self.backlog, self.name, self.without = roots, backlog, name, without
        self.rss = self.vm = self.cpu_seconds = 0.0
        self.gone = {}
        self.curve = []
        self.started = time.monotonic()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.at_start = self.look() and sum(self.gone.values()) or 0.0
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.look()

    def look(self):
        """RSS of all at one moment; VmPeak of the largest (address space is not shared). CPU seconds so far."""
        total, seen = 0.0, {}
        tree = self._tree()
        for pid in tree:
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                fields = {line.split(":")[0]: line.split(":")[1].split()[0] for line in status.splitlines() if " kB" in line}
                if pid != self.without:
                    total += int(fields.get("VmRSS", 0)) / 1024
                    self.vm = max(self.vm, int(fields.get("VmPeak", 0)) / 1024)
                if tree == [self.roots]:
                    self.rss = max(self.rss, int(fields.get("VmHWM", 0)) / 1024)
                stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                # Own user and system time, and that of children that have ended: the kernel adds them to their parent.
                seen[pid] = sum(map(int, stat[11:15])) / TICKS
            except (OSError, IndexError):
                continue
        self.rss = max(self.rss, total)
        if isinstance(self.roots, int):
            self.gone = seen
        else:
            # Those of a text can end without a parent that keeps their time: their last figure stays.
            self.gone.update(seen)
        self.cpu_seconds = max(self.cpu_seconds, sum(self.gone.values()) - getattr(self, "at_start", 0.0))
        return total

    def _tree(self):
        if not isinstance(self.roots, int):
            return self._holding(self.roots)
        found, queue = [], [self.roots]
        while queue:
            pid = queue.pop()
            found.append(pid)
            try:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    queue += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="utf-8").split())
            except OSError:
                continue
        return found

    @staticmethod
    def _holding(text):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if int(pid) != os.getpid() and text.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
            except OSError:
                continue
        return found

    def _watch(self):
        beat = 0
        while not self.over.wait(0.1):
            now = self.look()
            if beat % 10 == 0:
                self.curve.append((self.name, round(time.monotonic() - self.started, 1), round(now, 1), round(self.vm, 1),
                                   round(self.cpu_seconds, 2), self.backlog()))
            beat += 1


def timed(command, environment=None):
    """One command: (wall seconds, CPU seconds, peak RSS MB, VmPeak MB). RSS is the kernel's own maximum, not a sample.

    Through time(1): what a process was before it became the command counts as its memory, and this interpreter is large.
    """
    with tempfile.NamedTemporaryFile("r") as report, tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        process = subprocess.Popen(["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", report.name, *map(str, command)], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=errors)
        with Sampler(process.pid, without=process.pid) as sampler:
            process.wait()
            wall = time.monotonic() - started
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{errors.read().decode()[-2000:]}")
        user, system, kilobytes = map(float, report.read().split()[-3:])
        return wall, user + system, max(kilobytes / 1024, sampler.rss), sampler.vm


def medians(rows):
    """Column by column, of runs that gave the same columns."""
    return [statistics.median(column) for column in zip(*rows)]


def spread(values):
    return f"{min(values):.0f}-{max(values):.0f}"


def write_csv(name, header, rows):
    RESULTS.mkdir(parents=True, exist_ok=True)
    with open(RESULTS / name, "w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(header)
        writer.writerows(rows)


def print_table(header, rows):
    rows = [[f"{cell:.2f}" if isinstance(cell, float) and cell < 10 else f"{cell:.0f}" if isinstance(cell, float) else str(cell)
             for cell in row] for row in rows]
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} cores ({model}), load {os.getloadavg()[0]:.1f} at the start, {time.strftime('%Y-%m-%d')}"


COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666", "#000000"]


def write_svg(name, title, label, curves):
    """Lines over seconds: curves is {name: [(x, y)]}."""
    width, height, left, top, right, bottom = 860, 380, 60, 40, 230, 40
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return
    x_most = max(x for x, _ in points) or 1
    y_most = (max(y for _, y in points) or 1) * 1.05
    across = lambda x: left + x / x_most * (width - left - right)
    up = lambda y: height - bottom - y / y_most * (height - top - bottom)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             f'<text x="{left}" y="22" font-size="15" font-weight="bold">{title}</text>']
    for step in range(5):
        y = y_most * step / 4
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{up(y):.1f}" y2="{up(y):.1f}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{up(y) + 4:.1f}" text-anchor="end">{y:.0f}</text>')
        x = x_most * step / 4
        parts.append(f'<text x="{across(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{x:.0f} s</text>')
    parts.append(f'<text x="14" y="{top - 8}">{label}</text>')
    for index, (curve, line) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{width - right + 12}" y="{top + 18 * index + 10}" fill="{colour}">{curve}</text>')
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / name).write_text("\n".join(parts) + "\n</svg>\n", encoding="utf-8")
