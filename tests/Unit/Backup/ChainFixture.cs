using System.Text.Json;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.Tests.Delta;
using WalRus.Tests.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>How the backups of a chain are written.</summary>
internal enum ChainStyle
{
    /// <summary>wal-g: wi1, names with a leading slash, parents by their first segment.</summary>
    WalG,

    /// <summary>WAL-RUS: INCREMENTAL content under plain names, nested names, file sets without the codec.</summary>
    WalRus,

    /// <summary>PostgreSQL's own incremental backups: INCREMENTAL.* names, a label that says so.</summary>
    Server,
}

/// <summary>Chains of backups made by hand from states of a cluster: a state is its files' content by name.</summary>
internal sealed class ChainFixture : IDisposable
{
    private const int PageBytes = IncrementBytes.PageBytes;

    private readonly List<(BackupName Name, BackupSentinel Sentinel)> chain = [];

    public ChainFixture(ChainStyle style = ChainStyle.WalG, Codec? codec = null)
    {
        Style = style;
        Codec = codec ?? new NoneCodec();
        Directory.CreateDirectory(Folder["archive"]);
        Store = new FileSystemObjectStore(Folder["archive"]);
    }

    public TemporaryFolder Folder { get; } = new();

    public ChainStyle Style { get; }

    public Codec Codec { get; }

    public IObjectStore Store { get; set; }

    public RecordingLog Log { get; } = new();

    public TimeProvider Time { get; set; } = TimeProvider.System;

    public string Destination => Folder["data"];

    /// <summary>The names, the full backup first.</summary>
    public IReadOnlyList<BackupName> Names => [.. chain.Select(step => step.Name)];

    public Archive Archive => new(Store, Codec, Codecs.ReadOrder, null);

    public BackupFetchRequest Request => new() { Name = Names[^1], Destination = Destination };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Stores one more backup of the chain: the full one, then deltas from the state before.</summary>
    /// <param name="state">All files now.</param>
    /// <param name="before">All files at the backup before; null for the full one.</param>
    /// <param name="tars">Over so many parts its files are spread.</param>
    public async Task AddAsync(SortedDictionary<string, byte[]> state, SortedDictionary<string, byte[]>? before, int tars = 3)
    {
        var name = NextName();
        var parts = Enumerable.Range(1, tars).ToDictionary(number => $"part_{number:000}.tar", _ => new List<(string Name, byte[] Content)>());
        var files = new Dictionary<string, object>();
        var next = 0;
        void Put(string member, byte[] content) => parts.Values.ElementAt(next++ % tars).Add((member, content));
        foreach (var (path, content) in state)
        {
            var older = before?.GetValueOrDefault(path);
            var kind = older is null ? "whole" : older.AsSpan().SequenceEqual(content) ? "skipped" : IsPaged(path, content) ? "increment" : "whole";
            var member = Style == ChainStyle.WalG ? "/" + path : path;
            if (kind == "increment" || (kind == "skipped" && Style == ChainStyle.Server && IsPaged(path, content)))
            {
                member = Style == ChainStyle.Server ? member.Insert(member.LastIndexOf('/') + 1, "INCREMENTAL.") : member;
                Put(member, Increment(older!, content));
                files[member] = new { IsIncremented = Style != ChainStyle.Server, IsSkipped = false, MTime = "2024-05-01T10:00:00Z" };
                continue;
            }

            if (kind == "whole" || Style == ChainStyle.Server)
            {
                Put(member, content);
                kind = "whole";
            }

            files[member] = new { IsIncremented = false, IsSkipped = kind == "skipped", MTime = "2024-05-01T10:00:00Z" };
        }

        var label = "START WAL LOCATION: ...\n" + (Style == ChainStyle.Server && before is not null ? "INCREMENTAL FROM LSN: 0/1\nINCREMENTAL FROM TLI: 1\n" : "");
        parts["backup_label.tar"] = [("tablespace_map", []), ("backup_label", System.Text.Encoding.ASCII.GetBytes(label))];
        parts["pg_control.tar"] = [("global/pg_control", BackupFetchFixture.ControlFileBytes())];
        await StoreAsync(name, parts, files);
    }

    public Task<BackupFetchResult> FetchAsync(BackupFetchRequest? request = null)
    {
        // Making many small restores durable is all that a test would wait for.
        var options = new BackupFetchOptions { DownloadConcurrency = 3, Fsync = false };
        return new BackupFetch(Archive, options, new NativeBufferPool(16 << 20), Time, Log).RunAsync(request ?? Request, Token);
    }

    /// <summary>Replaces an object of the archive behind the store's back, and so without waiting for the disk.</summary>
    public void Damage(ObjectKey key, byte[] content) => File.WriteAllBytes(Folder["archive", key.ToString()], content);

    public Task<RestorePlan> PlanAsync(BackupFetchRequest? request = null) =>
        new BackupFetch(Archive, new BackupFetchOptions(), new NativeBufferPool(1 << 20), Time, Log).PlanAsync(request ?? Request, Token);

    /// <summary>Holds that the destination has these relation files and no other, and what a server needs.</summary>
    public void AssertRestored(SortedDictionary<string, byte[]> state, string? destination = null)
    {
        var root = destination ?? Destination;
        var there = Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(root, path).Replace('\\', '/'))
            .Where(path => path is not ("backup_label" or "tablespace_map" or "global/pg_control")).Order(StringComparer.Ordinal);
        Assert.Equal(state.Keys.Order(StringComparer.Ordinal), there);
        foreach (var (path, content) in state)
        {
            Assert.True(content.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(root, path))), path);
        }

        Assert.Equal("START WAL LOCATION: ...\n", File.ReadAllText(Path.Combine(root, "backup_label")));
    }

    /// <summary>Fetches, and expects a refusal that leaves nothing.</summary>
    public async Task<WalRusException> RefusedAsync(ErrorCode code)
    {
        var refused = await Assert.ThrowsAsync<WalRusException>(() => FetchAsync());
        Assert.Equal((code, refused.Message), (refused.Code, refused.Message));
        Assert.False(Directory.Exists(Destination));
        return refused;
    }

    public void Dispose() => Folder.Dispose();

    private static bool IsPaged(string path, byte[] content) =>
        path.StartsWith("base/", StringComparison.Ordinal) && !path.Contains('_', StringComparison.Ordinal)
            && content.Length > 0 && content.Length % PageBytes == 0 && char.IsAsciiDigit(path[path.LastIndexOf('/') + 1]);

    private byte[] Increment(byte[] older, byte[] newer)
    {
        var blocks = new List<uint>();
        for (uint block = 0; block < newer.Length / PageBytes; block++)
        {
            if ((block + 1) * PageBytes > older.Length || !IncrementBytes.Page(older, block).AsSpan().SequenceEqual(IncrementBytes.Page(newer, block)))
            {
                blocks.Add(block);
            }
        }

        byte[] Of(uint block) => IncrementBytes.Page(newer, block);
        var common = (uint)(Math.Min(older.Length, newer.Length) / PageBytes);
        return Style switch
        {
            ChainStyle.WalG => IncrementBytes.Wi1(newer.Length, blocks, Of),
            ChainStyle.WalRus => IncrementBytes.Native((uint)(newer.Length / PageBytes), blocks, Of),
            _ => IncrementBytes.Native(common, blocks, Of),
        };
    }

    private BackupName NextName()
    {
        var segment = WalFileName.FromSegment(new TimelineId(1), (ulong)(4 + (3 * chain.Count)), WalSegmentSize.Default);
        return chain.Count == 0 ? BackupName.Full(segment)
            : Style == ChainStyle.WalRus ? BackupName.Parse($"base_{segment}_D_{chain[^1].Name.ToString()["base_".Length..]}")
            : BackupName.Delta(segment, chain[^1].Name);
    }

    private async Task StoreAsync(BackupName name, Dictionary<string, List<(string Name, byte[] Content)>> parts, Dictionary<string, object> files)
    {
        var extension = Codec.Extension.Length == 0 ? "" : "." + Codec.Extension.TrimStart('.');
        var sets = new Dictionary<string, string[]>();
        foreach (var (tar, members) in parts)
        {
            byte[] content = [.. members.SelectMany(member => TarBytes.Member(member.Name, member.Content)), .. new byte[1024]];
            var writer = await Archive.OpenWriteAsync(WalGLayout.Tar(name, tar), WriteCondition.None, Token);
            await using (writer)
            {
                await writer.WriteAsync(content, Token);
                await writer.CompleteAsync(Token);
            }

            if (tar != "pg_control.tar")
            {
                sets[Style == ChainStyle.WalRus ? tar : tar + extension] = [.. members.Select(member => member.Name)];
            }
        }

        await Store.PutAsync(
            WalGLayout.FilesMetadata(name).ToString(), JsonSerializer.SerializeToUtf8Bytes(new { Files = files, TarFileSets = sets }));
        var parent = chain.Count == 0 ? ((BackupName Name, BackupSentinel Sentinel)?)null : chain[^1];
        var sentinel = new BackupSentinel
        {
            StartLsn = name.StartSegment.StartLsn(WalSegmentSize.Default) + 0x28,
            FinishLsn = name.StartSegment.StartLsn(WalSegmentSize.Default) + 0x200,
            PgVersion = 170006,
            SystemIdentifier = BackupFetchFixture.SystemIdentifier,
            Delta = parent is { } known
                ? new BackupDelta(known.Sentinel.StartLsn!.Value, known.Name.ToString(), chain[0].Name.ToString(), chain.Count)
                : null,
            IncrementFormat = parent is null || Style == ChainStyle.WalG ? null : BackupSentinel.NativeIncrementFormat,
        };
        await Store.PutAsync(WalGLayout.Sentinel(name).ToString(), sentinel.ToJson());
        chain.Add((name, sentinel));
    }
}
