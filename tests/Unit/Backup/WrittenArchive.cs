using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>An archive whose WAL and sentinels were written by the test: for what a real server does not do on demand.</summary>
internal sealed class WrittenArchive : IDisposable
{
    public static readonly DateTimeOffset Noon = new(2026, 5, 6, 12, 0, 0, TimeSpan.Zero);

    private static readonly WalSegmentSize Size = SyntheticWal.Small;

    public WrittenArchive()
    {
        Directory.CreateDirectory(Folder["archive"]);
        Store = new FileSystemObjectStore(Folder["archive"]);
        Archive = new Archive(Store, new NoneCodec(), Codecs.ReadOrder, null);
    }

    public TemporaryFolder Folder { get; } = new();

    public FileSystemObjectStore Store { get; }

    public Archive Archive { get; }

    public WalWriter Wal { get; } = new(new Lsn(1 << 20));

    public void Dispose() => Folder.Dispose();

    /// <summary>
    /// A backup, transactions 101 to 109 a minute apart and the point "early", then another backup, transactions 201 to 209
    /// and the point "late"; each part some segments long.
    /// </summary>
    public async Task<(string First, string Second)> TwoBackupsAsync(
        string? beforeSecond = null, string? duringSecond = null, string[]? afterSecond = null)
    {
        var first = await BackupAsync();
        Transactions(101, Noon);
        Wal.RestorePoint("early", Noon.AddMinutes(20));
        Point(beforeSecond, 30);
        Filler(1_500_000);
        var second = await BackupAsync(duringSecond, 201, 50);
        foreach (var (name, index) in (afterSecond ?? []).Select((name, index) => (name, index)))
        {
            Point(name, 60 + index);
        }

        Filler(2_000_000);
        Transactions(201, Noon.AddHours(1));
        Wal.RestorePoint("late", Noon.AddMinutes(80));
        Wal.Switch();
        await StoreAsync();
        return (first, second);
    }

    private void Point(string? name, int minutes)
    {
        if (name is not null)
        {
            Wal.RestorePoint(name, Noon.AddMinutes(minutes));
        }
    }

    private void Transactions(uint firstXid, DateTimeOffset start)
    {
        for (uint index = 0; index < 9; index++)
        {
            Wal.RunningTransactions(firstXid + index, firstXid + index);
            Filler(400_000);
            Wal.Commit(firstXid + index, start.AddMinutes(index + 1));
        }
    }

    public void Filler(int bytes) => Wal.Append((WalResourceManager)10, 0, new byte[bytes]);

    public async Task<string> BackupAsync(string? during = null, uint nextXid = 3, int minutes = -1)
    {
        Filler(16);
        var start = Wal.RunningTransactions(nextXid, nextXid);
        Filler(100_000);
        Point(during, 45);
        var backup = BackupName.Full(WalFileName.FromLsn(Wal.Timeline, start, Size));
        Wal.Append(WalResourceManager.XLog, 0x50, WalWriter.Data(BitConverter.GetBytes(start.Value)));
        var time = WalGTime.FromDateTimeOffset(Noon.AddMinutes(minutes));
        var sentinel = new BackupSentinel
        {
            StartLsn = start, FinishLsn = Wal.Position, PgVersion = 170006, StartTime = time, FinishTime = time,
        };
        await Store.PutAsync(WalGLayout.Sentinel(backup).ToString(), sentinel.ToJson());
        return backup.ToString();
    }

    public async Task StoreAsync()
    {
        foreach (var (name, content) in Wal.Segments())
        {
            await Store.PutAsync($"wal_005/{name}", content);
        }
    }

    /// <summary>Archives a timeline that leaves the first behind a record, and its history.</summary>
    public async Task ForkAsync(RecoveryPoint record, uint timeline, Action<WalWriter> append)
    {
        var forked = Wal.Fork(record.EndLsn, record.Lsn, new TimelineId(timeline));
        append(forked);
        foreach (var (name, content) in forked.Segments())
        {
            await Store.PutAsync($"wal_005/{name}", content);
        }

        var history = new TimelineHistory(forked.Timeline, [new TimelineSwitch(Wal.Timeline, record.EndLsn, "a test")]);
        await Store.PutAsync($"wal_005/{forked.Timeline.HistoryFileName}", history.ToFile());
    }
}
