"""An archive of many objects for bench/scale.py: made of a real backup's documents, stored directly, as years of archiving would leave it."""
import datetime
import hashlib
import hmac
import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor

SEGMENT_BYTES = 16 << 20
BACKUP_OBJECTS = 40
OBJECTS_A_BACKUP = 400
CHAIN = 7


class Objects:
    """What an archive of count objects holds: nine of ten WAL segments, a tenth of all in backups, one in twenty of these left over."""

    def __init__(self, count, sample):
        self.sentinel, self.metadata = sample
        backups = max(2 * CHAIN, count // OBJECTS_A_BACKUP)
        self.backups = [[] for _ in range(backups)]
        self.segments = count - 1 - sum(BACKUP_OBJECTS - (0 if self.is_stored(index) else 1) for index in range(backups))
        self.first = 256
        self.turn = self.number_of(self.segments // 2)
        self.count = count
        self._name()

    def number_of(self, index):
        """Of nine segments in a row the tenth is missing."""
        return self.first + index + index // 9

    def segment(self, number):
        return f"{1 if number < self.turn else 2:08X}{number // 256:08X}{number % 256:08X}"

    @staticmethod
    def is_stored(index):
        """One in twenty was broken off, but for full ones."""
        return index % 20 != 19 or index % CHAIN == 0

    @staticmethod
    def text(lsn):
        return f"{lsn >> 32:X}/{lsn & 0xffffffff:X}"

    @property
    def last_lsn(self):
        return self.text(self.number_of(self.segments - 1) * SEGMENT_BYTES + (1 << 20))

    def _name(self):
        """Backups begin behind the first twentieth of the WAL, which is garbage."""
        self.names, self.starts = [], []
        begin = self.segments // 20
        for index in range(len(self.backups)):
            number = self.number_of(begin + index * (self.segments - begin) // len(self.backups))
            self.starts.append(number * SEGMENT_BYTES + 0x28)
            parent = self.parent_of(index)
            name = f"base_{self.segment(number)}"
            self.names.append(name if parent is None else f"{name}_D_{self.names[parent][5:29]}")

    def parent_of(self, index):
        """Of a delta, the newest before it that is whole."""
        if index % CHAIN == 0:
            return None
        return next(before for before in range(index - 1, -1, -1) if self.is_stored(before))

    def steps_to(self, index):
        parent = self.parent_of(index)
        return 0 if parent is None else self.steps_to(parent) + 1

    def plans(self):
        """(what, arguments) of deletions that each find something after the one before."""
        middle = len(self.names) // 2 // CHAIN * CHAIN
        return [("garbage", ["garbage"]), ("before", ["before", self.names[middle]]), ("retain", ["retain", "FULL", "3"]),
                ("policy", ["policy", "--keep-daily", "7", "--keep-weekly", "2"]), ("everything", ["everything", "FORCE"])]

    def all(self):
        """(key, bytes) of each."""
        yield "wal_005/00000002.history", f"1\t{self.text(self.turn * SEGMENT_BYTES)}\tno recovery target specified\n".encode()
        for index in range(self.segments):
            yield f"wal_005/{self.segment(self.number_of(index))}.lz4", b"0123456789"
        for index in range(len(self.names)):
            yield from self.backup(index)

    def backup(self, index):
        name, start = self.names[index], self.starts[index]
        finish = start + (1 << 20)
        when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=len(self.names) - index)
        begun, ended = (f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z" for moment in (when, when + datetime.timedelta(minutes=9)))
        sentinel = self.sentinel | {"LSN": start, "FinishLSN": finish, "StartTime": begun, "FinishTime": ended}
        parent = self.parent_of(index)
        if parent is not None:
            sentinel |= {"DeltaLSN": self.starts[parent], "DeltaFrom": self.names[parent],
                         "DeltaFullName": self.names[index - index % CHAIN], "DeltaCount": self.steps_to(index)}
        metadata = self.metadata | {"start_lsn": start, "finish_lsn": finish, "start_time": begun, "finish_time": ended}
        if self.is_stored(index):
            yield f"basebackups_005/{name}_backup_stop_sentinel.json", json.dumps(sentinel).encode()
        yield f"basebackups_005/{name}/metadata.json", json.dumps(metadata).encode()
        yield f"basebackups_005/{name}/files_metadata.json", b"{}"
        for part in range(BACKUP_OBJECTS - 3):
            yield f"basebackups_005/{name}/tar_partitions/part_{part + 1:03}.tar.lz4", b"0123456789"


def fill_folder(objects, root):
    made = set()
    for key, content in objects.all():
        path = f"{root}/{key}"
        folder = path.rsplit("/", 1)[0]
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        file = os.open(path, os.O_CREAT | os.O_WRONLY)
        os.write(file, content)
        os.close(file)


class Putter:
    """One connection that signs as S3 wants it; curl would be a process an object."""

    def __init__(self, s3, prefix):
        self.s3, self.prefix = s3, prefix
        self.host = s3.endpoint.split("//")[1]
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def put(self, key, content):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path = f"/{self.s3.bucket}/{self.prefix}/{key}"
        digest = hashlib.sha256(content).hexdigest()
        signed = "host;x-amz-content-sha256;x-amz-date"
        request = f"PUT\n{path}\n\nhost:{self.host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n\n{signed}\n{digest}"
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        secret = ("AWS4" + self.s3.secret).encode()
        for part in (now[:8], "us-east-1", "s3", "aws4_request"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        self.connection.request("PUT", path, content, {
            "x-amz-date": now, "x-amz-content-sha256": digest,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.s3.key}/{scope}, SignedHeaders={signed}, Signature={signature}"})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"PUT {key}: {answer.status} {body[:300]}")


def fill_s3(objects, s3, prefix, lanes=8):
    """Lanes take every so many-th object, so none waits for another."""
    def lane(which):
        putter = Putter(s3, prefix)
        for index, (key, content) in enumerate(objects.all()):
            if index % lanes == which:
                putter.put(key, content)
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(lane, range(lanes)))
