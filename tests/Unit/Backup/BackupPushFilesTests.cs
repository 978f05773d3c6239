using System.Text.Json;
using WalRus.Backup;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>What is in a backup of a real server: tablespaces, damage, many files, and wal-g's document shapes.</summary>
public sealed class BackupPushFilesTests(SharedPostgresCluster shared) : IClassFixture<SharedPostgresCluster>, IDisposable
{
    private readonly BackupPushFixture fixture = new();
    private readonly PostgresCluster cluster = shared.Cluster;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task Documents_have_the_keys_that_wal_g_writes_in_its_order()
    {
        var golden = GoldenArchive.Open("walg-pg15-lz4-delta");
        var result = await fixture.PushAsync(cluster, new BackupPushRequest
        {
            DataDirectory = cluster.DataDirectory,
            Permanent = true,
            UserData = JsonDocument.Parse("""{"n":0,"stage":"full"}""").RootElement,
        });
        JsonElement Golden(string suffix) =>
            JsonDocument.Parse(golden.Documents(suffix).First(found => !found.Key.Contains("_D_", StringComparison.Ordinal)).Content).RootElement;
        var sentinel = await fixture.SentinelAsync(result);
        Assert.Equal(Shape(Golden("sentinel.json")), Shape(sentinel));
        Assert.Equal(Shape(Golden("/metadata.json")), Shape(await fixture.JsonAsync(WalGLayout.Metadata(result.Backup.Name))));
        var files = await fixture.FilesAsync(result);
        var goldenFiles = Golden("files_metadata.json");

        // The codec has no checksum: the tars' own come behind what wal-g writes.
        Assert.Equal([.. Shape(goldenFiles), FilesMetadataWriter.TarChecksumsKey], Shape(files));
        Assert.Equal(Shape(goldenFiles.GetProperty("Files").GetProperty("/base/1/1259")), Shape(files.GetProperty("Files").GetProperty("/base/1/1259")));
        Assert.Equal(
            [
                .. goldenFiles.GetProperty("DatabasesByNames").GetProperty("template1").GetProperty("tables_new")
                    .EnumerateObject().Select(table => table.Name).Order(StringComparer.Ordinal),
            ],
            files.GetProperty("DatabasesByNames").GetProperty("template1").GetProperty("tables_new")
                .EnumerateObject().Select(table => table.Name).Order(StringComparer.Ordinal));
        Assert.True(sentinel.GetProperty("IsPermanent").GetBoolean());
        Assert.Equal(result.Backup.StartLsn.Value, sentinel.GetProperty("LSN").GetUInt64());
        Assert.Equal(result.Backup.FinishLsn.Value, sentinel.GetProperty("FinishLSN").GetUInt64());
        Assert.True(result.Backup.StartLsn < result.Backup.FinishLsn);
        Assert.Equal(JsonValueKind.Null, sentinel.GetProperty("ChkpNum").ValueKind);
    }

    [Fact]
    public async Task A_backup_without_files_metadata_says_so()
    {
        fixture.Options = fixture.Options with { WithoutFilesMetadata = true };
        var result = await fixture.PushAsync(cluster);
        Assert.True((await fixture.SentinelAsync(result)).GetProperty("FilesMetadataDisabled").GetBoolean());
        Assert.False(await fixture.Store.HasAsync(WalGLayout.FilesMetadata(result.Backup.Name).ToString()));
        Assert.Contains("/base/1/1259", (await fixture.MembersAsync(result)).Values.SelectMany(names => names));
    }

    [Fact]
    public async Task Table_names_are_left_out_when_partial_restores_are_off()
    {
        fixture.Options = fixture.Options with { CollectTableNames = false };
        var files = await fixture.FilesAsync(await fixture.PushAsync(cluster));
        Assert.False(files.TryGetProperty("DatabasesByNames", out _));
    }

    [Fact]
    public async Task A_database_that_cannot_be_connected_to_is_a_warning()
    {
        await cluster.ExecuteAsync("CREATE DATABASE closed");
        await cluster.ExecuteAsync("REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
        await cluster.ExecuteAsync("CREATE ROLE reader LOGIN PASSWORD 'r' IN ROLE pg_read_all_settings");
        await cluster.ExecuteAsync(
            "GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean) TO reader");
        var result = await new BackupPush(fixture.Archive, cluster.Settings("reader", "r"), fixture.Options, fixture.Log)
            .RunAsync(BackupPushFixture.RequestFor(cluster), Token);
        Assert.Contains("'closed'", Assert.Single(result.Warnings), StringComparison.Ordinal);
        var databases = (await fixture.FilesAsync(result)).GetProperty("DatabasesByNames");
        Assert.False(databases.TryGetProperty("closed", out _));
        Assert.True(databases.TryGetProperty("postgres", out _));
    }

    [Fact]
    public async Task Tablespaces_are_in_the_tars_and_their_places_in_the_sentinel()
    {
        await using var own = await PostgresCluster.StartAsync(new()
        {
            Major = 17,
            Settings = new Dictionary<string, string> { ["allow_in_place_tablespaces"] = "on" },
        });
        var location = await own.CreateFolderAsync("ts one");
        await own.ExecuteAsync($"CREATE TABLESPACE one LOCATION '{location}'");
        await own.ExecuteAsync("CREATE TABLESPACE inplace LOCATION ''");
        await own.ExecuteAsync("CREATE TABLE there TABLESPACE one AS SELECT generate_series(1, 5000) AS n");
        await own.ExecuteAsync("CREATE TABLE here TABLESPACE inplace AS SELECT generate_series(1, 5000) AS n");
        var oid = await own.ScalarAsync<string>("SELECT oid::text FROM pg_tablespace WHERE spcname = 'one'");
        var result = await fixture.PushAsync(own);
        var members = (await fixture.MembersAsync(result)).Values.SelectMany(names => names).ToList();
        Assert.Contains("/" + await own.ScalarAsync<string>("SELECT pg_relation_filepath('there')"), members);
        Assert.Contains("/" + await own.ScalarAsync<string>("SELECT pg_relation_filepath('here')"), members);
        Assert.DoesNotContain($"/pg_tblspc/{oid}", members);
        Assert.Equal(
            "{\"" + oid + "\":{\"loc\":\"" + location + "\",\"link\":\"pg_tblspc/" + oid + "\"},\"base_prefix\":\""
                + own.DataDirectory + "\",\"tablespaces\":[\"" + oid + "\"]}",
            (await fixture.SentinelAsync(result)).GetProperty("Spec").GetRawText());

        // A server over the extracted files finds the tablespace where the map says, here beside the original.
        await using var restored = await PostgresCluster.OverExistingAsync(new() { Major = 17, Archiving = false });
        await fixture.ExtractAsync(result, restored.DataDirectory);
        var moved = Path.Combine(restored.WorkFolder, "ts one");
        Directory.Move(Path.Combine(restored.DataDirectory, "pg_tblspc", oid), moved);
        var map = Path.Combine(restored.DataDirectory, "tablespace_map");
        Assert.Equal($"{oid} {location}\n", await File.ReadAllTextAsync(map, Token));
        await File.WriteAllTextAsync(map, $"{oid} {moved}\n", Token);
        File.Copy(
            Path.Combine(own.ArchiveFolder, result.Backup.StartSegment.ToString()),
            Path.Combine(restored.DataDirectory, "pg_wal", result.Backup.StartSegment.ToString()));
        restored.WriteSettings();
        await restored.TakeOwnershipAsync();
        await restored.StartAsync();
        Assert.Equal(5000L, await restored.ScalarAsync<long>("SELECT count(*) FROM there"));
        Assert.Equal(5000L, await restored.ScalarAsync<long>("SELECT count(*) FROM here"));
    }

    [Fact]
    public async Task A_corrupt_page_is_recorded_and_does_not_fail_the_backup()
    {
        await using var own = await PostgresCluster.StartAsync();
        await own.ExecuteAsync("CREATE TABLE hurt AS SELECT n, repeat('x', 700) AS filler FROM generate_series(1, 200) AS n");
        await own.ExecuteAsync("CHECKPOINT");
        var path = await own.ScalarAsync<string>("SELECT pg_relation_filepath('hurt')");
        await own.StopAsync();
        await using (var file = new FileStream(Path.Combine(own.DataDirectory, path), FileMode.Open))
        {
            file.Seek((4 * 8192) + 6000, SeekOrigin.Begin);
            file.WriteByte(0xAA);
        }

        await own.StartAsync();
        var request = BackupPushFixture.RequestFor(own) with { VerifyPageChecksums = true };
        var result = await fixture.PushAsync(own, request);
        Assert.True(result.ChecksumsVerified);
        Assert.Equal(1, result.CorruptBlockCount);
        var files = (await fixture.FilesAsync(result)).GetProperty("Files");
        Assert.Equal(
            """{"CorruptBlocksCount":1,"SomeCorruptBlocks":[4]}""",
            files.GetProperty($"/{path}").GetProperty("CorruptBlocks").GetRawText());
        Assert.False((await fixture.PushAsync(own)).ChecksumsVerified);
    }

    [Fact]
    public async Task Without_data_checksums_nothing_is_verified_and_the_result_says_so()
    {
        await using var own = await PostgresCluster.StartAsync(new() { DataChecksums = false, Archiving = false });
        var result = await fixture.PushAsync(own, BackupPushFixture.RequestFor(own) with { VerifyPageChecksums = true });
        Assert.False(result.ChecksumsVerified);
        Assert.Contains(result.Warnings, warning => warning.Contains("no data checksums", StringComparison.Ordinal));
        Assert.Contains(result.Warnings, warning => warning.Contains("archive_mode is off", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Progress_grows_to_about_what_was_expected()
    {
        var reports = new List<TransferProgress>();
        var result = await fixture.PushAsync(
            cluster, BackupPushFixture.RequestFor(cluster) with { Progress = new SynchronousProgress(reports) });
        Assert.NotEmpty(reports);
        Assert.All(reports.Zip(reports.Skip(1)), pair => Assert.True(pair.First.BytesDone <= pair.Second.BytesDone));
        var copying = reports.Where(report => report.BytesTotal is not null).ToList();
        Assert.InRange(copying[^1].BytesDone, result.Backup.UncompressedSize / 2, result.Backup.UncompressedSize);
        Assert.InRange(copying[0].BytesTotal!.Value, result.Backup.UncompressedSize / 2, result.Backup.UncompressedSize * 2);
    }

    private static IEnumerable<string> Shape(JsonElement document) => document.EnumerateObject().Select(property => property.Name);

    private sealed class SynchronousProgress(List<TransferProgress> reports) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value)
        {
            lock (reports)
            {
                reports.Add(value);
            }
        }
    }
}
