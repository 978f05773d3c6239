using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.Tests.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>An archive with one hand-made backup, which each test damages in its own way, and a place to restore it into.</summary>
internal sealed class BackupFetchFixture : IDisposable
{
    public const ulong SystemIdentifier = 7711106129725046725;

    public BackupFetchFixture()
    {
        Directory.CreateDirectory(Folder["archive"]);
        Store = new FileSystemObjectStore(Folder["archive"]);
        Parts["part_001.tar"] =
        [
            TarBytes.Member("/", [], '5', mode: 0x1C0), TarBytes.Member("/base", [], '5', mode: 0x1C0),
            TarBytes.Member("/base/1", [], '5', mode: 0x1C0), TarBytes.Member("/global", [], '5', mode: 0x1C0),
            TarBytes.Member("/base/1/1259", StoreExtensions.Bytes(300_000)),
        ];
        Parts["part_003.tar"] =
            [TarBytes.Member("/PG_VERSION", "17\n"u8.ToArray()), TarBytes.Member("/base/1/1249", StoreExtensions.Bytes(8192, 2))];
        Parts["pg_control.tar"] = [TarBytes.Member("/global/pg_control", ControlFileBytes())];
        Parts["backup_label.tar"] =
            [TarBytes.Member("tablespace_map", []), TarBytes.Member("backup_label", "START WAL LOCATION: ..."u8.ToArray())];
        Files.AddRange(["/", "/base", "/base/1", "/global", "/base/1/1259", "/PG_VERSION", "/base/1/1249"]);
    }

    public TemporaryFolder Folder { get; } = new();

    public IObjectStore Store { get; set; }

    public BackupName Name { get; init; } = BackupName.Parse("base_000000010000000000000004");

    public BackupSentinel Sentinel { get; set; } = new()
    {
        StartLsn = new Lsn(0x4000028),
        FinishLsn = new Lsn(0x4000130),
        PgVersion = 170006,
        SystemIdentifier = SystemIdentifier,
        UncompressedSize = 316_000,
    };

    /// <summary>Tar name to members, each with header and padding.</summary>
    public SortedDictionary<string, List<byte[]>> Parts { get; } = new(StringComparer.Ordinal);

    /// <summary>The keys of <c>Files</c>.</summary>
    public List<string> Files { get; } = [];

    /// <summary><c>TarFileSets</c>' keys; null for those of <see cref="Parts"/>.</summary>
    public IReadOnlyList<string>? ListedTars { get; set; }

    public BackupFetchOptions Options { get; set; } = new() { DownloadConcurrency = 2 };

    public RecordingLog Log { get; } = new();

    public TimeProvider Time { get; set; } = TimeProvider.System;

    public string Destination => Folder["data"];

    public Archive Archive => new(Store, new NoneCodec(), Codecs.ReadOrder, null);

    public BackupFetchRequest Request => new() { Name = Name, Destination = Destination };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static byte[] ControlFileBytes(ulong systemIdentifier = SystemIdentifier)
    {
        var file = new byte[ControlFile.FileLength];
        BinaryPrimitives.WriteUInt64LittleEndian(file, systemIdentifier);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(8), 1700);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(48), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(228), 16 << 20);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(288), Crc32C.Compute(file.AsSpan(0, 288)));
        return file;
    }

    /// <summary>Puts the backup into the archive: tars, list of files, sentinel.</summary>
    public async Task StoreAsync()
    {
        foreach (var (name, members) in Parts)
        {
            await Store.PutAsync($"{WalGLayout.TarPartitions(Name)}/{name}", (byte[])[.. members.SelectMany(bytes => bytes), .. new byte[1024]]);
        }

        var sets = (ListedTars ?? [.. Parts.Keys.Where(name => name != "pg_control.tar")]).ToDictionary(name => name, MembersOf);
        var files = Files.Distinct().ToDictionary(name => name, _ => new { IsIncremented = false, IsSkipped = false, MTime = "2024-05-01T10:00:00Z" });
        await Store.PutAsync(
            WalGLayout.FilesMetadata(Name).ToString(), JsonSerializer.SerializeToUtf8Bytes(new { Files = files, TarFileSets = sets }));
        await Store.PutAsync(WalGLayout.Sentinel(Name).ToString(), Sentinel.ToJson());
    }

    /// <summary>What a tar holds, or held: a test may have lost it.</summary>
    private string[] MembersOf(string tar) => Parts.TryGetValue(tar, out var members)
        ? [.. members.Select(member => Encoding.UTF8.GetString(member.AsSpan(0, 100)).TrimEnd('\0'))]
        : ["x"];

    public async Task<BackupFetchResult> FetchAsync(BackupFetchRequest? request = null, CancellationToken? cancellationToken = null)
    {
        using var buffers = new NativeBufferPool(16 << 20);
        var fetch = new BackupFetch(Archive, Options, buffers, Time, Log);
        var result = await fetch.RunAsync(request ?? Request, cancellationToken ?? Token);
        Assert.Equal(0, buffers.RentedBytes);
        return result;
    }

    /// <summary>Fetches, and expects a refusal that leaves no trace of the restore.</summary>
    public async Task<WalRusException> RefusedAsync(ErrorCode code, BackupFetchRequest? request = null)
    {
        var before = Tree();
        var refused = await Assert.ThrowsAsync<WalRusException>(() => FetchAsync(request));
        Assert.Equal(code, refused.Code);
        Assert.Equal(before, Tree());
        return refused;
    }

    /// <summary>Everything beside the archive, folders with a slash.</summary>
    public IReadOnlyList<string> Tree() =>
    [
        .. new DirectoryInfo(Folder.FullName)
            .EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(entry => Path.GetRelativePath(Folder.FullName, entry.FullName).Replace('\\', '/') + (entry is DirectoryInfo ? "/" : ""))
            .Where(path => !path.StartsWith("archive", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
    ];

    public string Text(string relative) => File.ReadAllText(Path.Combine(Destination, relative));

    public byte[] Bytes(string relative) => File.ReadAllBytes(Path.Combine(Destination, relative));

    public void AddTablespace(string oid, string location)
    {
        Sentinel = Sentinel with
        {
            Tablespaces = new TablespaceSpec { BasePrefix = "/old/data", Entries = [new(oid, location, $"pg_tblspc/{oid}")] },
        };
        Parts["part_001.tar"].Add(TarBytes.Member($"/pg_tblspc/{oid}/PG_17_202406281/5/16385", StoreExtensions.Bytes(8192, 3)));
        Files.Add($"/pg_tblspc/{oid}/PG_17_202406281/5/16385");
        Parts["backup_label.tar"][0] = TarBytes.Member("tablespace_map", Encoding.UTF8.GetBytes($"{oid} {location}\n"));
    }

    public void Dispose() => Folder.Dispose();
}

/// <summary>Keeps what was reported.</summary>
internal sealed class RecordingLog : IEventLog
{
    private readonly List<LogEvent> events = [];

    public IReadOnlyList<string> Names
    {
        get
        {
            lock (events)
            {
                return [.. events.Select(logEvent => logEvent.Name)];
            }
        }
    }

    public bool IsEnabled(EventLevel level) => true;

    public void Write(in LogEvent logEvent)
    {
        lock (events)
        {
            events.Add(logEvent);
        }
    }
}
