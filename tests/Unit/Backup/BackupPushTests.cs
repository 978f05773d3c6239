using System.Text.Json;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Backups of real servers that are used meanwhile, restored with nothing but GNU tar and PostgreSQL.</summary>
public sealed class BackupPushTests : IDisposable
{
    private const string Setup = """
        CREATE TABLE account AS SELECT n AS id, 1000 AS balance, repeat('x', 500) AS filler FROM generate_series(1, 3000) AS n;
        CREATE INDEX ON account (id);
        CREATE TABLE part (id int, note text) PARTITION BY RANGE (id);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
        CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200);
        CREATE TABLE part_3 PARTITION OF part FOR VALUES FROM (200) TO (300) PARTITION BY RANGE (id);
        CREATE TABLE part_3_1 PARTITION OF part_3 FOR VALUES FROM (200) TO (300);
        CREATE INDEX part_id ON part (id);
        INSERT INTO part SELECT n, 'note ' || n FROM generate_series(0, 299) AS n;
        """;

    private const string Answer = """
        SELECT md5(string_agg(a::text, ',' ORDER BY a.id)) || (SELECT md5(string_agg(p::text, ',' ORDER BY p.id)) FROM part AS p)
        FROM account AS a
        """;

    private readonly BackupPushFixture fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData(13, "lz4")]
    [InlineData(15, "none")]
    [InlineData(17, "zstd")]
    [InlineData(18, "brotli")]
    public async Task A_backup_of_a_busy_server_restores_to_the_same_data(int major, string codec)
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = major });
        await cluster.ExecuteAsync(Setup);
        fixture.Codec = Codecs.Create(codec);
        fixture.Options = fixture.Options with { DiskConcurrency = 3, TarSizeThresholdBytes = 4 << 20 };
        var load = BusyServer.TransferAsync(cluster, out var stop);
        var result = await fixture.PushAsync(cluster, new BackupPushRequest
        {
            DataDirectory = cluster.DataDirectory,
            VerifyPageChecksums = true,
            UserData = JsonDocument.Parse("""{"team":"db"}""").RootElement,
        });
        await stop.CancelAsync();
        await load;
        Assert.Equal(0, result.CorruptBlockCount);
        Assert.True(result.ChecksumsVerified);
        Assert.Empty(result.Warnings);
        await CheckDocumentsAsync(cluster, result, codec);

        var expected = await cluster.ScalarAsync<string>(Answer);
        await cluster.SwitchWalAsync();
        await using var restored = await RestoreAsync(cluster, result);
        Assert.Equal(expected, await restored.ScalarAsync<string>(Answer));
        Assert.Equal(3_000_000L, await restored.ScalarAsync<long>("SELECT sum(balance) FROM account"));
    }

    /// <summary>A server over the extracted tars that recovers all the WAL its origin archived.</summary>
    private async Task<PostgresCluster> RestoreAsync(
        PostgresCluster origin, BackupPushResult result, Func<PostgresCluster, Task>? prepare = null)
    {
        var restored = await PostgresCluster.OverExistingAsync(new()
        {
            Major = origin.Major,
            Archiving = false,
            Settings = new Dictionary<string, string> { ["restore_command"] = $"cp \"{origin.ArchiveFolder}/%f\" \"%p\"" },
        });
        try
        {
            await fixture.ExtractAsync(result, restored.DataDirectory);
            restored.WriteSettings();
            await File.WriteAllTextAsync(Path.Combine(restored.DataDirectory, "recovery.signal"), "", Token);
            if (prepare is not null)
            {
                await prepare(restored);
            }

            await restored.TakeOwnershipAsync();
            await restored.StartAsync();
            await PostgresCluster.UntilAsync(() => restored.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()"));
            return restored;
        }
        catch
        {
            await restored.DisposeAsync();
            throw;
        }
    }

    private async Task CheckDocumentsAsync(PostgresCluster cluster, BackupPushResult result, string codec)
    {
        var extension = Codecs.Create(codec).Extension is { Length: > 0 } text ? $".{text}" : "";
        var name = result.Backup.Name;
        var keys = await fixture.KeysAsync();
        Assert.Contains($"basebackups_005/{name}_backup_stop_sentinel.json", keys);
        Assert.Contains($"basebackups_005/{name}/tar_partitions/pg_control.tar{extension}", keys);
        Assert.Contains($"basebackups_005/{name}/tar_partitions/backup_label.tar{extension}", keys);
        Assert.Contains($"basebackups_005/{name}/tar_partitions/part_004.tar{extension}", keys);

        var sentinel = await fixture.SentinelAsync(result);
        Assert.Equal(
            [
                "LSN", "PgVersion", "FinishLSN", "SystemIdentifier", "UncompressedSize", "CompressedSize", "DataCatalogSize",
                "UserData", "ChkpNum", "Version", "StartTime", "FinishTime", "DateFmt", "Hostname", "DataDir", "IsPermanent",
            ],
            sentinel.EnumerateObject().Select(property => property.Name));
        Assert.Equal(
            await cluster.ScalarAsync<long>("SELECT system_identifier FROM pg_control_system()"),
            sentinel.GetProperty("SystemIdentifier").GetInt64());
        Assert.Equal(cluster.DataDirectory, sentinel.GetProperty("DataDir").GetString());
        Assert.Equal(result.Backup.CompressedSize, keys.Where(key => key.Contains("tar_partitions", StringComparison.Ordinal))
            .Sum(key => new FileInfo(fixture.Folder["archive", key]).Length));

        var members = await fixture.MembersAsync(result);
        var files = await fixture.FilesAsync(result);
        fixture.CheckSections(files, ["Files", "TarFileSets", "DatabasesByNames"]);
        CheckMembers(result, members, files, extension);
        CheckTables(files.GetProperty("DatabasesByNames"), await cluster.ScalarAsync<uint>("SELECT 'part_1'::regclass::oid"));
    }

    private static void CheckMembers(
        BackupPushResult result, Dictionary<string, string[]> members, JsonElement files, string extension)
    {
        var listed = files.GetProperty("TarFileSets").EnumerateObject()
            .ToDictionary(set => set.Name, set => set.Value.EnumerateArray().Select(member => member.GetString()!).ToArray());
        foreach (var (tar, names) in members.Where(tar => tar.Key.StartsWith("part_", StringComparison.Ordinal)))
        {
            Assert.Equal(names, listed[tar]);
        }

        // The other way round than in the tar, as wal-g lists them.
        Assert.Equal(["tablespace_map", "backup_label"], listed[$"backup_label.tar{extension}"]);
        Assert.Equal(members.Count - 1, listed.Count);
        Assert.Equal(["/global/pg_control"], members[$"pg_control.tar{extension}"]);
        Assert.Equal(["backup_label", "tablespace_map"], members[$"backup_label.tar{extension}"]);
        var inParts = members.Where(tar => tar.Key.StartsWith("part_", StringComparison.Ordinal))
            .SelectMany(tar => tar.Value).Order(StringComparer.Ordinal).ToArray();
        Assert.Equal(
            inParts, files.GetProperty("Files").EnumerateObject().Select(file => file.Name).Order(StringComparer.Ordinal));
        string[] expected = ["/", "/PG_VERSION", "/base", "/base/1/1259", "/global/1262", "/pg_wal", "/pg_replslot", "/postgresql.conf"];
        Assert.Subset(inParts.ToHashSet(), expected.ToHashSet());
        string[] excluded = ["/postmaster.pid", "/postmaster.opts", "/global/pg_control", "/pg_wal/archive_status"];
        Assert.Empty(inParts.Intersect(excluded));
        Assert.DoesNotContain(inParts, name => name.StartsWith("/pg_wal/", StringComparison.Ordinal));
        Assert.Equal(inParts.Length, inParts.Distinct().Count());
        Assert.InRange(result.FileCount, 500, inParts.Length);
    }

    private static void CheckTables(JsonElement databases, uint partOid)
    {
        var postgres = databases.GetProperty("postgres");
        Assert.True(databases.TryGetProperty("template1", out _));
        Assert.False(databases.TryGetProperty("template0", out _));
        var tables = postgres.GetProperty("tables_new");
        var account = tables.GetProperty("public.account");
        Assert.Equal(account.GetProperty("oid").GetUInt32(), account.GetProperty("relfilenode").GetUInt32());
        var part = tables.GetProperty("public.part");
        Assert.Equal(0u, part.GetProperty("relfilenode").GetUInt32());
        Assert.Equal(
            ["public.part_1", "public.part_2", "public.part_3", "public.part_3_1"],
            part.GetProperty("subtables").EnumerateObject().Select(table => table.Name));
        Assert.Equal(partOid, part.GetProperty("subtables").GetProperty("public.part_1").GetProperty("oid").GetUInt32());
        Assert.NotEqual(0u, tables.GetProperty("pg_catalog.pg_class").GetProperty("relfilenode").GetUInt32());
        Assert.False(tables.TryGetProperty("public.part_1", out _));
        Assert.False(tables.TryGetProperty("pg_catalog.pg_tables", out _));
    }
}
