using System.Text.Json;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Backups that real servers send while they are used, restored to where they were and verified by PostgreSQL.</summary>
public sealed class RemoteBackupTests : IDisposable
{
    private const string Setup = """
        CREATE TABLE account AS SELECT n AS id, 1000 AS balance, repeat('x', 500) AS filler FROM generate_series(1, 3000) AS n;
        CREATE TABLE elsewhere TABLESPACE ts AS SELECT n AS id, repeat('y', 300) AS filler FROM generate_series(1, 5000) AS n;
        CREATE UNLOGGED TABLE scratch AS SELECT 1 AS x;
        """;

    private const string Answer = """
        SELECT md5(string_agg(a::text, ',' ORDER BY a.id)) || (SELECT md5(string_agg(e::text, ',' ORDER BY e.id)) FROM elsewhere AS e)
        FROM account AS a
        """;

    private readonly BackupPushFixture fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData(13, "zstd")]
    [InlineData(15, "lz4")]
    [InlineData(18, "none")]
    public async Task A_remote_backup_of_a_busy_server_restores_and_verifies(int major, string codec)
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = major });
        var tablespace = await cluster.CreateFolderAsync("ts");
        await cluster.ExecuteAsync($"CREATE TABLESPACE ts LOCATION '{tablespace}'");
        await cluster.ExecuteAsync(Setup);
        fixture.Codec = Codecs.Create(codec);
        fixture.Options = fixture.Options with { TarSizeThresholdBytes = 4 << 20 };
        var load = BusyServer.TransferAsync(cluster, out var stop);
        var result = await fixture.PushAsync(cluster, new BackupPushRequest
        {
            Permanent = true,
            VerifyPageChecksums = true,
            UserData = JsonDocument.Parse("""{"team":"db"}""").RootElement,
        });
        await stop.CancelAsync();
        await load;
        Assert.True(result.ChecksumsVerified);
        Assert.Equal(0, result.CorruptBlockCount);
        BusyServer.CheckWarnings(result.Warnings);
        await CheckDocumentsAsync(cluster, result, tablespace);

        var expected = await cluster.ScalarAsync<string>(Answer);
        await cluster.SwitchWalAsync();
        await cluster.KillAsync();
        Directory.Delete(tablespace, recursive: true);
        await using var restored = await RemoteRestore.FetchAsync(fixture, result, cluster);
        await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", "--exit-on-error", restored.DataDirectory]);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(expected, await restored.ScalarAsync<string>(Answer));
        Assert.Equal(3_000_000L, await restored.ScalarAsync<long>("SELECT sum(balance) FROM account"));
        Assert.Equal(0L, await restored.ScalarAsync<long>("SELECT count(*) FROM scratch"));
    }

    /// <summary>The same documents and layout as wal-g's remote backups, and the manifest.</summary>
    private async Task CheckDocumentsAsync(PostgresCluster cluster, BackupPushResult result, string tablespace)
    {
        var sentinel = await fixture.SentinelAsync(result);
        Assert.Equal(
            [
                "LSN", "PgVersion", "FinishLSN", "SystemIdentifier", "UncompressedSize", "CompressedSize", "Spec",
                "UserData", "ChkpNum", "Version", "StartTime", "FinishTime", "DateFmt", "Hostname", "DataDir", "IsPermanent",
            ],
            sentinel.EnumerateObject().Select(property => property.Name));
        Assert.Equal(
            await cluster.ScalarAsync<int>("SELECT current_setting('server_version_num')::int"),
            sentinel.GetProperty("PgVersion").GetInt32());
        var oid = await cluster.ScalarAsync<string>("SELECT oid::text FROM pg_tablespace WHERE spcname = 'ts'");
        Assert.Equal(
            $$$"""{"{{{oid}}}":{"loc":"{{{tablespace}}}","link":"pg_tblspc/{{{oid}}}"},"base_prefix":"{{{cluster.DataDirectory}}}","tablespaces":["{{{oid}}}"]}""",
            sentinel.GetProperty("Spec").GetRawText());

        var members = (await fixture.MembersAsync(result)).ToDictionary(tar => tar.Key.Split('.')[0], tar => tar.Value);
        Assert.All(members["part_001"], name => Assert.StartsWith($"pg_tblspc/{oid}/PG_", name, StringComparison.Ordinal));
        Assert.Equal(["backup_label", "tablespace_map"], members["part_002"][..2]);
        Assert.Equal("global/pg_control", members[$"part_{members.Count - 2:000}"][^1]);
        Assert.Equal(["global/pg_control"], members["pg_control"]);
        Assert.Equal(["backup_manifest"], members["backup_manifest"]);
        Assert.True(members.Count > 6, "The threshold makes several parts.");

        var files = await fixture.FilesAsync(result);
        fixture.CheckSections(files, ["Files"]);
        var listed = files.GetProperty("Files").EnumerateObject().Select(file => file.Name).Order(StringComparer.Ordinal);
        var packed = members.Where(tar => tar.Key != "pg_control").SelectMany(tar => tar.Value)
            .Where(name => !name.EndsWith('/') && !name.EndsWith("/" + oid, StringComparison.Ordinal));
        Assert.Equal(packed.Order(StringComparer.Ordinal), listed);
        Assert.Equal(result.FileCount + 1, listed.Count());
        var time = files.GetProperty("Files").GetProperty("PG_VERSION").GetProperty("MTime").GetString();
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", time);
    }
}
