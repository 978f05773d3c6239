using System.Globalization;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.WalG;

namespace WalRus.Tests.Verification;

/// <summary>An archive in a folder, made of names: segments without content, histories, backups of sentinels alone.</summary>
internal sealed class FolderArchive : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public FolderArchive() => Directory.CreateDirectory(folder["wal_005"]);

    public string Root => folder.FullName;

    public Dictionary<string, string> Environment => new() { ["WALG_FILE_PREFIX"] = Root };

    public Archive Open() => new(new FileSystemObjectStore(Root), Codecs.Create("none"), Codecs.ReadOrder, Crypter: null);

    /// <summary>Lets the server's account archive into it.</summary>
    public void OpenToServer()
    {
        if (!OperatingSystem.IsWindows())
        {
            const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
            File.SetUnixFileMode(Root, Everybody);
            File.SetUnixFileMode(folder["wal_005"], Everybody);
        }
    }

    public void Wal(params string[] names)
    {
        foreach (var name in names)
        {
            File.WriteAllBytes(folder["wal_005", name], []);
        }
    }

    public void Segments(uint timeline, IEnumerable<ulong> numbers) =>
        Wal([.. numbers.Select(number => Name(timeline, number))]);

    public void History(uint timeline, params (uint Timeline, Lsn SwitchPoint)[] switches) => File.WriteAllText(
        folder["wal_005", new TimelineId(timeline).HistoryFileName],
        string.Concat(switches.Select(past => string.Create(CultureInfo.InvariantCulture, $"{past.Timeline}\t{past.SwitchPoint}\tno recovery target specified\n"))));

    public string Backup(uint timeline, ulong number, bool permanent = false)
    {
        var name = BackupName.Full(WalFileName.FromSegment(new TimelineId(timeline), number, WalSegmentSize.Default));
        var start = WalSegmentSize.Default.StartOf(number);
        var sentinel = new BackupSentinel { StartLsn = start + 40, FinishLsn = start + 256, IsPermanent = permanent };
        Directory.CreateDirectory(folder["basebackups_005"]);
        File.WriteAllBytes(folder["basebackups_005", $"{name}{WalGLayout.SentinelSuffix}"], sentinel.ToJson());
        return name.ToString();
    }

    public static string Name(uint timeline, ulong number) =>
        WalFileName.FromSegment(new TimelineId(timeline), number, WalSegmentSize.Default).ToString();

    public void Dispose() => folder.Dispose();
}
