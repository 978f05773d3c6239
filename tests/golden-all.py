"""What golden-all.sh runs; see there. Arguments: the checkout, the executable, the folder of archives, options, names."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP, TOOL, ROOT = (os.path.abspath(argument) for argument in sys.argv[1:4])
OPTIONS = [argument for argument in sys.argv[4:] if argument.startswith("--")]
NAMES = [argument for argument in sys.argv[4:] if not argument.startswith("--")]
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
with open(f"{TOP}/tests/Unit/Golden/answer.sql", encoding="utf-8") as query:
    ANSWER = re.sub(r"^--.*\n", "", query.read()).strip().rstrip(";")
KINDS = ["name", "time", "lsn", "xid"] if "--every-target" in OPTIONS else ["name"]
counts = {True: 0, False: 0}
bin_folders = {}


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def bin_folder(major):
    if major not in bin_folders:
        told = run([f"{TOP}/tests/servers/postgres.sh", "bindir", str(major)])
        bin_folders[major] = told.stdout.strip().splitlines()[-1]
    return bin_folders[major]


def report(equal, what, why=""):
    counts[equal] += 1
    print(f"equal {what}" if equal else f"WRONG {what}  {' | '.join(why[-500:].splitlines())}", flush=True)


def reachable(golden, index):
    """The points that recovery from a backup can reach; the second timeline was forked at point_c."""
    points, names = golden["points"], [backup["backup"] for backup in golden["backups"]]
    first = [0, 2, 3] if len(names) == 3 or golden["delta"] != "none" else [0, 3]
    if any(name.startswith("base_00000002") for name in names):
        first = first[: len(names) - 1] + [len(points) - 1]
    timeline = int(names[index][5:13], 16)
    forked = points[-1]["timeline"] > 1 and timeline == 1
    return [
        point
        for position, point in enumerate(points)
        if position >= first[min(index, len(first) - 1)]
        and point["timeline"] >= timeline
        and (not forked or point["timeline"] == 2 or point["name"] <= "point_c")
    ]


def without_later(kind, database, answer):
    """A row is committed to postgres.tick after the last point: the end of the archive is compared without that table."""
    lines = answer.split(";")
    return [line for line in lines if not (kind == "end" and database == "postgres" and line.startswith("tick="))]


def deliberate(told):
    """What wal-g said, changed where WalRus says otherwise on purpose; docs/WALG-COMPATIBILITY.md has each of these."""
    told = dict(told)
    arguments, stderr = told["args"], told["stderr"]
    if arguments[0] == "wal-fetch" and arguments[-1] == "$TMP/seg":
        told["exit"] = 0  # an existing destination is replaced
        stderr = f"INFO: Fetched {arguments[1]}\n"
    if "Usage:" in stderr:
        stderr = stderr[: stderr.index("Usage:")]
    if arguments == ["no-such-command"]:
        told["stdout"], stderr = (text.replace("wal-g", "walrus") for text in (told["stdout"], stderr))
    if arguments[0] == "wal-push" and len(arguments) == 2:
        stderr = f"INFO: Files will be uploaded to storage: default\nERROR: There is no file '{arguments[1]}' to archive.\n"
    told["stderr"] = stderr.replace("Failed to select backup: ", "")
    return told


def comparable(said, arguments):
    """Without clock times, hints and our own words behind an error; .NET keeps 100 ns of a file's time, wal-g the whole."""
    stderr = re.sub(r" \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}", "", said["stderr"])
    stderr = re.sub(r"Usage:.*", "", stderr, flags=re.S).replace("ERROR: not found: no backup that can be restored has a name that starts with 'base_nonsense'.", "ERROR: not found")
    stderr = re.sub(r"(INFO: Fetched \S+) from .*", r"\1", stderr)
    lines = [line for line in stderr.split("\n") if not line.startswith("HINT:")]
    stdout = re.sub(r"(\.\d{1,7})\d{0,2}(Z| \+0000 UTC)", lambda time: time[1].rstrip("0.") + time[2], said["stdout"])
    if arguments[0] == "st":
        stdout = re.sub(r" +", " ", stdout)  # columns are as wide as their widest time
    # delete names the same objects, sentinels first and WAL last.
    return {"exit": said["exit"], "stdout": stdout, "stderr": sorted(lines) if arguments[0] == "delete" else lines}


class Archive:
    """One golden archive, unpacked into a folder of the postgres account's own."""

    def __init__(self, name, folder):
        self.name, self.folder, self.source = name, folder, f"{ROOT}/{name}"
        with open(f"{self.source}/golden.json", encoding="utf-8") as description:
            self.golden = json.load(description)
        os.makedirs(f"{folder}/socket")
        run(["tar", "-C", folder, "-xzf", f"{self.source}/archive.tar.gz"])
        shutil.copy(TOOL, f"{folder}/walrus")
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "TZ": "UTC", "PGUSER": "postgres",
            "WALG_FILE_PREFIX": f"{folder}/archive", "WALG_PG_WAL_SIZE": str(self.golden["wal_segment_size_mb"]),
        }
        for setting, value in self.golden["settings"].items():
            if setting.endswith("_PATH"):
                shutil.copy(f"{self.source}/{value}", f"{folder}/{value}")
                value = f"{folder}/{value}"
            self.environment[setting] = value
        self.made = [place for place in self.golden["tablespaces"].values() if not os.path.exists(place)]
        for place in self.golden["tablespaces"].values():
            os.makedirs(place, mode=0o700, exist_ok=True)
        run(["chown", "-R", "postgres:", folder, *self.golden["tablespaces"].values()])

    def compare_outputs(self):
        """Every command that wal-g recorded, in its order, on a copy: exit code, standard output and standard error."""
        with open(f"{self.source}/outputs.json", encoding="utf-8") as outputs:
            printed = json.load(outputs)
        if not printed["tool"].startswith("wal-g"):
            return
        scratch = f"{self.folder}/outputs"
        os.makedirs(scratch)
        run(["cp", "-a", f"{self.folder}/archive", scratch])
        run(["chown", "-R", "postgres:", scratch])
        self.environment["WALG_FILE_PREFIX"] = f"{scratch}/archive"
        for told in printed["runs"]:
            arguments = [argument.replace("$TMP", scratch) for argument in told["args"]]
            got = self.as_postgres([f"{self.folder}/walrus", *arguments], stderr=subprocess.PIPE)
            ours = {"exit": got.returncode, "stdout": got.stdout, "stderr": got.stderr.replace(scratch, "$TMP")}
            told, ours = comparable(deliberate(told), told["args"]), comparable(ours, told["args"])
            differs = [f"{part}: {told[part]!r} became {ours[part]!r}" for part in ours if told[part] != ours[part]]
            report(not differs, f"{self.name} $ {' '.join(arguments)}".replace(scratch, "$TMP"), "; ".join(differs))
        self.environment["WALG_FILE_PREFIX"] = f"{self.folder}/archive"
        self.wait_for_prefetches()
        shutil.rmtree(scratch)

    def remove_places(self):
        for place in self.made:
            shutil.rmtree(place)
            try:
                os.removedirs(os.path.dirname(place))
            except OSError:
                pass  # others use a folder above

    def check(self, backup, point, kind, number):
        """Restores a backup and recovers to a point by its name, time, LSN or transaction, or to the archive's end."""
        by = {"name": "", "end": ""}.get(kind, f" by {kind}")
        what = f"{self.name} {backup} -> {'the end' if kind == 'end' else point['name']}{by}"
        data = f"{self.folder}/data{number}"
        for place in self.golden["tablespaces"].values():
            for entry in os.listdir(place):
                shutil.rmtree(f"{place}/{entry}")
        fetched = self.as_postgres([f"{self.folder}/walrus", "backup-fetch", data, backup])
        if fetched.returncode:
            report(False, what, "backup-fetch: " + fetched.stdout)
            return
        try:
            self.recover_and_compare(data, point, kind, what)
        finally:
            # A prefetch outlives the server that asked for it, and writes into its folder.
            self.wait_for_prefetches()
            shutil.rmtree(data)

    def recover_and_compare(self, data, point, kind, what):
        # The backed up server may have been restored to a target itself: that one is unset, before ours is set.
        values = {"name": point["name"], "time": point["time"], "lsn": point["lsn"], "xid": point["last_committed_xid"]}
        target = "".join(
            f"recovery_target_{each} = '{values[each] if each == kind else ''}'\n" for each in sorted(values, key=kind.__eq__))
        with open(f"{data}/postgresql.auto.conf", "a", encoding="utf-8") as settings:
            settings.write(
                f"\nrestore_command = '{self.folder}/walrus wal-fetch %f %p >> {self.folder}/fetch.log 2>&1'\n"
                f"{target}recovery_target_action = promote\n"
                "recovery_target_timeline = latest\narchive_mode = off\nlisten_addresses = ''\n"
                f"unix_socket_directories = '{self.folder}/socket'\nport = 5432\n")
        with open(f"{data}/recovery.signal", "w", encoding="utf-8"):
            pass
        run(["chown", "-R", "postgres:", data])
        control = [f"{bin_folder(self.golden['postgres'])}/pg_ctl", "-D", data, "-w", "-t", "90"]
        # The server keeps pg_ctl's output open: a pipe would never end.
        started = self.as_postgres([*control, "-l", f"{self.folder}/log", "start"], stdout=subprocess.DEVNULL)
        if started.returncode:
            report(False, what, "server: " + run(["tail", "-5", f"{self.folder}/log"]).stdout)
            return
        try:
            deadline = time.monotonic() + 60
            while self.ask("postgres", "select pg_is_in_recovery()") != "f" and time.monotonic() < deadline:
                time.sleep(0.1)
            got = {database: self.ask(database, ANSWER) for database in point["answer"]}
            wrong = [
                f"{database}: {answer} became {got[database]}"
                for database, answer in point["answer"].items()
                if without_later(kind, database, answer) != without_later(kind, database, got[database])
            ]
            report(not wrong, what, "; ".join(wrong))
        finally:
            self.as_postgres([*control, "-m", "immediate", "stop"], stdout=subprocess.DEVNULL)

    def wait_for_prefetches(self):
        """Until no process of this archive's own copy of the executable is left."""
        deadline = time.monotonic() + 60
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.processes():
            report(False, f"{self.name} prefetch", f"processes {self.processes()} still run a minute later")

    def processes(self):
        found = []
        for process in os.listdir("/proc"):
            try:
                if process.isdigit() and os.readlink(f"/proc/{process}/exe") == f"{self.folder}/walrus":
                    found.append(process)
            except OSError:
                pass  # it has ended
        return found

    def ask(self, database, sql):
        client = [f"{bin_folder(17)}/psql", "-XqAt", "-h", f"{self.folder}/socket", "-U", "postgres", "-d", database, "-c", sql]
        return self.as_postgres(client).stdout.strip()

    def as_postgres(self, command, **options):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
        return subprocess.run(
            AS_POSTGRES + command, env=self.environment, cwd=self.folder, text=True, check=False, **streams)


def main():
    for name in sorted(os.listdir(ROOT)):
        if not os.path.exists(f"{ROOT}/{name}/golden.json") or (NAMES and name not in NAMES):
            continue
        folder = tempfile.mkdtemp(prefix="walrus-golden-", dir="/var/tmp")
        os.chmod(folder, 0o755)
        archive = None
        try:
            archive = Archive(name, folder)
            archive.compare_outputs()
            number = 0
            for index, backup in enumerate(entry["backup"] for entry in archive.golden["backups"]):
                if "--full-only" in OPTIONS and "_D_" in backup:
                    continue
                points = reachable(archive.golden, index)
                targets = [(point, kind) for point in (points[-1:] if "--quick" in OPTIONS else points) for kind in KINDS]
                if points and points[-1] == archive.golden["points"][-1] and "--quick" not in OPTIONS:
                    targets.append((points[-1], "end"))
                for point, kind in targets:
                    archive.check(backup, point, kind, number)
                    number += 1
        finally:
            if archive:
                archive.remove_places()
            shutil.rmtree(folder)
    print(f"{counts[True]} equal, {counts[False]} wrong")
    return 1 if counts[False] or not counts[True] else 0


sys.exit(main())
