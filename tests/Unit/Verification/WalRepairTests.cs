using WalRus.Configuration;
using WalRus.Postgres;
using WalRus.Verification;

namespace WalRus.Tests.Verification;

/// <summary>Missing WAL comes back from pg_wal or another store, whole and checked, and nothing else is touched.</summary>
public sealed class WalRepairTests : IDisposable
{
    private readonly FolderArchive archive = new();
    private readonly TemporaryFolder server = new();
    private readonly List<string> names = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Four whole segments of a server, of which the archive holds the first and the last.</summary>
    public WalRepairTests()
    {
        var wal = new WalWriter(Lsn.Parse("0/100000"));
        for (uint xid = 700; names.Count < 4; xid++)
        {
            wal.Commit(xid, DateTimeOffset.UnixEpoch.AddYears(56));
            if (xid % 3 == 0)
            {
                wal.Switch();
                names.Add("");
            }
        }

        names.Clear();
        Directory.CreateDirectory(server["pg_wal"]);
        foreach (var (name, content) in wal.Segments().Take(4))
        {
            names.Add(name);
            File.WriteAllBytes(server["pg_wal", name], content);
        }

        File.Copy(server["pg_wal", names[0]], Archived(names[0]));
        File.Copy(server["pg_wal", names[3]], Archived(names[3]));
    }

    public void Dispose()
    {
        archive.Dispose();
        server.Dispose();
    }

    [Fact]
    public async Task Missing_segments_come_from_the_servers_folder_and_again_there_is_nothing_to_do()
    {
        var plan = await RepairAsync(restore: false);
        Assert.Equal([(names[1], WalRepairState.Available), (names[2], WalRepairState.Available)], plan.Select(item => (item.Name, item.State)));
        Assert.False(File.Exists(Archived(names[1])));

        var done = await RepairAsync(restore: true);
        Assert.All(done, item => Assert.Equal((WalRepairState.Restored, server["pg_wal"], 1L << 20), (item.State, item.Source, item.Bytes)));
        Assert.All(names, name => Assert.Equal(File.ReadAllBytes(server["pg_wal", name]), File.ReadAllBytes(Archived(name))));
        Assert.Empty(await RepairAsync(restore: true));
    }

    [Fact]
    public async Task They_come_from_another_store_under_any_codec()
    {
        using var other = new FolderArchive();
        await using (var engine = Open(other.Root, "lz4"))
        {
            await engine.CreateWalPush().RunAsync(new() { Path = server["pg_wal", names[1]] }, Token);
        }

        await using var source = Open(other.Root, "zstd");
        await using var target = Open(archive.Root, "none");
        var repair = target.CreateWalRepair();
        repair.AddArchive(source.Archive, source.CreateWalFetch());
        var states = new List<(string, WalRepairState)>();
        await foreach (var item in repair.PlanAsync(Token))
        {
            states.Add((item.Name, (await repair.RestoreAsync(item, Token)).State));
        }

        Assert.Equal([(names[1], WalRepairState.Restored), (names[2], WalRepairState.NotFound)], states);
        Assert.Equal(File.ReadAllBytes(server["pg_wal", names[1]]), File.ReadAllBytes(Archived(names[1])));
    }

    [Fact]
    public async Task A_segment_that_is_not_written_to_its_end_is_left_where_it_is()
    {
        var bytes = await File.ReadAllBytesAsync(server["pg_wal", names[1]], Token);
        bytes.AsSpan(64, 200).Clear();
        await File.WriteAllBytesAsync(server["pg_wal", names[1]], bytes, Token);
        File.Copy(server["pg_wal", names[1]], server["pg_wal", names[2]], overwrite: true);
        var refused = await Assert.ThrowsAsync<WalRusException>(() => RepairAsync(restore: true));
        Assert.Equal(ErrorCode.WalSegmentInvalid, refused.Code);
        Assert.False(File.Exists(Archived(names[1])));
    }

    [Fact]
    public async Task Of_a_permanent_backup_only_its_own_wal_is_expected()
    {
        using var kept = new FolderArchive();
        kept.Segments(1, [2, 3, 20, 21]);
        kept.Backup(1, 2, permanent: true);
        Assert.Equal([4, 19], await GapsAsync(kept));
        kept.Backup(1, 20);
        Assert.Empty(await GapsAsync(kept));
    }

    [Fact]
    public async Task What_a_fork_or_a_backup_needs_is_missing_too()
    {
        using var forked = new FolderArchive();
        forked.Segments(1, [4, 5]);
        forked.Segments(2, [9, 10]);
        forked.History(2, (1, WalSegmentSize.Default.StartOf(8) + 100));
        forked.Backup(1, 3);
        Assert.Equal([3, 3, 6, 7, 8, 8], await GapsAsync(forked));
    }

    private static async Task<List<ulong>> GapsAsync(FolderArchive archive)
    {
        var timelines = await new TimelineSurvey(archive.Open(), WalSegmentSize.Default, NullEventLog.Instance).RunAsync(true, null, Token);
        return [.. MissingWal.Of(timelines).SelectMany(gap => new[] { gap.First.SegmentNumber(WalSegmentSize.Default), gap.Last.SegmentNumber(WalSegmentSize.Default) })];
    }

    private static WalRusEngine Open(string root, string codec) => WalRusEngine.Open(
        WalRusSettings.Load(new SettingSources
        {
            Environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = root, ["WALG_COMPRESSION_METHOD"] = codec },
        }),
        NullEventLog.Instance);

    private string Archived(string name) => Path.Combine(archive.Root, "wal_005", name);

    private async Task<List<WalRepairItem>> RepairAsync(bool restore)
    {
        await using var engine = Open(archive.Root, "none");
        var repair = engine.CreateWalRepair();
        repair.AddFolder(server.FullName);
        var items = new List<WalRepairItem>();
        await foreach (var item in repair.PlanAsync(Token))
        {
            items.Add(restore ? await repair.RestoreAsync(item, Token) : item);
        }

        return items;
    }
}
