using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.WalG;

namespace WalRus.Tests.Retention;

/// <summary>
/// An archive of some weeks, made at random: full and delta backups, permanent ones, promotions and recoveries to the past
/// with their timelines, gaps, sidecars, remains of killed backups, foreign objects. It knows, apart from the engine, what
/// can be recovered from a set of objects.
/// </summary>
internal sealed class RandomArchive : IDisposable
{
    private static readonly WalSegmentSize Size = WalSegmentSize.Default;

    private readonly TemporaryFolder folder = TemporaryFolder.InMemory();
    private readonly Random random;
    private readonly Dictionary<TimelineId, TimelineHistory> histories = [];
    private readonly HashSet<TimelineId> unknown = [];
    private TimelineId timeline = new(1);
    private ulong number = 3;

    public RandomArchive(int seed, int events)
    {
        random = new Random(seed);
        histories[timeline] = TimelineHistory.WithoutPast(timeline);
        Directory.CreateDirectory(folder["archive", "wal_005"]);
        Archive = new Archive(new FileSystemObjectStore(folder["archive"]), new NoneCodec(), Codecs.ReadOrder, null);
        for (var i = 0; i < events; i++)
        {
            Now = Now.AddHours(random.Next(1, 14)).AddMinutes(random.Next(60));
            Event();
        }

        Write("wal_005/README", Now);
        Write("wal_005/000000010000000000000001.zip", Now);
        Write("basebackups_005/notes.txt", Now);
        Write("elsewhere/000000010000000000000001.lz4", Now);
    }

    public Archive Archive { get; }

    /// <summary>Where its objects are, as files.</summary>
    public string Folder => folder["archive"];

    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public List<ModelBackup> Backups { get; } = [];

    /// <summary>Every archived segment with its time.</summary>
    public List<(WalFileName Name, DateTimeOffset Written)> Segments { get; } = [];

    /// <summary>Backups without a sentinel.</summary>
    public List<(BackupName Name, DateTimeOffset Newest)> Remains { get; } = [];

    public HashSet<string> Keys() => [.. Directory.EnumerateFiles(folder["archive"], "*", SearchOption.AllDirectories)
        .Select(path => Path.GetRelativePath(folder["archive"], path).Replace('\\', '/'))];

    public void Dispose() => folder.Dispose();

    public static bool IsListed(ModelBackup backup, HashSet<string> keys) => keys.Contains($"basebackups_005/{backup.Name}_backup_stop_sentinel.json");

    /// <summary>Every object of its chain is there.</summary>
    public static bool IsWhole(ModelBackup backup, HashSet<string> keys)
    {
        for (var step = backup; step is not null; step = step.Parent)
        {
            if (!IsListed(step, keys) || !step.Keys.All(keys.Contains))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The segments a backup needs to become consistent, as far as they were ever archived.</summary>
    public IEnumerable<string> NeededBy(ModelBackup backup) => Segments
        .Where(segment => segment.Name.Timeline == backup.Name.StartSegment.Timeline
            && segment.Name.StartLsn(Size).Value + (ulong)Size.Bytes > backup.Start.Value && segment.Name.StartLsn(Size) < backup.Finish)
        .Select(segment => $"wal_005/{segment.Name}");

    /// <summary>The segments that replay from a backup gets through, on every timeline that it can follow.</summary>
    public HashSet<WalFileName> RecoverableFrom(ModelBackup backup, HashSet<string> keys)
    {
        var found = new HashSet<WalFileName>();
        var origin = backup.Name.StartSegment.Timeline;
        foreach (var path in histories.Values.Where(path => !unknown.Contains(path.Timeline) && path.Contains(origin)))
        {
            if (!IsWhole(backup, keys) || path.EndOf(origin) < backup.Finish)
            {
                continue;
            }

            for (var at = Size.SegmentNumber(backup.Start); ; at++)
            {
                var end = Size.StartOf(at) + (ulong)Size.Bytes;
                var segment = WalFileName.FromSegment(path.TimelineAt(new Lsn(end.Value - 1)), at, Size);
                if (!keys.Contains($"wal_005/{segment}"))
                {
                    break;
                }

                if (end >= backup.Finish)
                {
                    found.Add(segment);
                }
            }
        }

        return found;
    }

    /// <summary>Makes a sentinel unreadable.</summary>
    public ModelBackup Damage()
    {
        var backup = Backups[random.Next(Backups.Count)];
        Write($"basebackups_005/{backup.Name}_backup_stop_sentinel.json", backup.Time, "{"u8.ToArray());
        return backup;
    }

    private void Event()
    {
        switch (random.NextDouble())
        {
            case < 0.62:
                Wal(random.Next(1, 4));
                break;
            case < 0.78:
                Backup(null);
                break;
            case < 0.91:
                var parents = Backups.Where(LeadsHere).TakeLast(4).ToList();
                Backup(parents.Count > 0 ? parents[random.Next(parents.Count)] : null);
                break;
            case < 0.95:
                Fork();
                break;
            default:
                Wal(1);
                var name = BackupName.Full(WalFileName.FromSegment(timeline, number, Size));
                Write($"basebackups_005/{name}/tar_partitions/part_001.tar", Now);
                Remains.Add((name, Now));
                Wal(1);
                break;
        }
    }

    private bool LeadsHere(ModelBackup backup)
    {
        var path = histories[timeline];
        var origin = backup.Name.StartSegment.Timeline;
        return path.Contains(origin) && !(path.EndOf(origin) < backup.Finish);
    }

    private void Wal(int count)
    {
        for (var i = 0; i < count; i++)
        {
            if (random.Next(40) > 0)
            {
                var name = WalFileName.FromSegment(timeline, number, Size);
                Segments.Add((name, Now));
                Write($"wal_005/{name}", Now);
            }

            if (number % 16 == 15)
            {
                Write($"wal_005/{WalFileName.FromSegment(timeline, number - 15, Size)}_delta", Now);
            }

            number++;
        }
    }

    private void Backup(ModelBackup? parent)
    {
        Wal(1);
        var start = Size.StartOf(number) + 0x28ul;
        var segment = WalFileName.FromSegment(timeline, number, Size);
        Wal(random.Next(1, 4));
        var finish = Size.StartOf(number - 1) + 0x100ul;
        var name = parent is null ? BackupName.Full(segment) : BackupName.Delta(segment, parent.Name);
        var permanent = random.Next(8) == 0;
        var backup = new ModelBackup(name, start, finish, Now, parent, permanent);
        Write($"wal_005/{segment}.00000028.backup", Now);
        foreach (var key in backup.Keys.Where(key => !key.EndsWith("metadata.json", StringComparison.Ordinal)))
        {
            Write(key, Now);
        }

        var sentinel = Sentinel(backup);
        Write($"basebackups_005/{name}/metadata.json", Now, sentinel.ToMetadata().ToJson());
        Write($"basebackups_005/{name}/files_metadata.json", Now);
        Write($"basebackups_005/{name}_backup_stop_sentinel.json", Now, sentinel.ToJson());
        Backups.Add(backup);
    }

    private static BackupSentinel Sentinel(ModelBackup backup) => new()
    {
        StartLsn = backup.Start,
        FinishLsn = backup.Finish,
        StartTime = WalGTime.FromDateTimeOffset(backup.Time.AddMinutes(-5)),
        FinishTime = WalGTime.FromDateTimeOffset(backup.Time),
        IsPermanent = backup.IsPermanent,
        Delta = backup.Parent is { } parent
            ? new BackupDelta(parent.Start, parent.Name.ToString(), parent.Root.Name.ToString(), parent.Depth + 1)
            : null,
    };

    /// <summary>A promotion, at the end or after a recovery to the past.</summary>
    private void Fork()
    {
        var past = histories[timeline];
        var begin = past.Switches.Count == 0 ? 3 : Size.SegmentNumber(past.Switches[^1].SwitchPoint) + 1;
        var at = random.Next(2) == 0 || number <= begin ? number : begin + (ulong)random.NextInt64((long)(number - begin));
        var earliest = past.Switches.Count == 0 ? default : past.Switches[^1].SwitchPoint + 1ul;
        var point = Size.StartOf(at) + (ulong)random.Next(0x1000, Size.Bytes);
        point = point < earliest ? earliest : point;
        var child = new TimelineId(histories.Keys.Max(known => known.Value) + 1);
        histories[child] = new TimelineHistory(child, [.. past.Switches, new TimelineSwitch(timeline, point, "a test")]);
        if (random.Next(8) > 0)
        {
            Write($"wal_005/{child.HistoryFileName}", Now, histories[child].ToFile());
        }
        else
        {
            unknown.Add(child);
        }

        (timeline, number) = (child, at);
    }

    private void Write(string key, DateTimeOffset time, byte[]? content = null)
    {
        var path = folder["archive", key];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content ?? [1]);
        File.SetLastWriteTimeUtc(path, time.UtcDateTime);
    }
}

/// <summary>A backup as the test made it.</summary>
internal sealed record ModelBackup(BackupName Name, Lsn Start, Lsn Finish, DateTimeOffset Time, ModelBackup? Parent, bool IsPermanent)
{
    public ModelBackup Root => Parent?.Root ?? this;

    public int Depth => Parent is null ? 0 : Parent.Depth + 1;

    public IReadOnlyList<string> Keys { get; } =
    [
        $"basebackups_005/{Name}/tar_partitions/part_001.tar",
        $"basebackups_005/{Name}/tar_partitions/pg_control.tar",
        $"basebackups_005/{Name}/metadata.json",
        $"basebackups_005/{Name}/files_metadata.json",
    ];

    public override string ToString() => Name.ToString();
}
