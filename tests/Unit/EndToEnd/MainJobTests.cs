namespace WalRus.Tests.EndToEnd;

/// <summary>
/// The promise of the product: back up, change, archive, destroy, restore to a moment, compare. By default on the oldest,
/// Debian's and the newest PostgreSQL; WALRUS_TEST_MAJORS="13 14 15 16 17 18" runs the whole matrix.
/// </summary>
public sealed class MainJobTests
{
    public static TheoryData<int> Majors { get; } =
        new((Environment.GetEnvironmentVariable("WALRUS_TEST_MAJORS") ?? "13 15 18").Split(' ').Select(int.Parse));

    [Theory]
    [MemberData(nameof(Majors))]
    public async Task What_was_there_at_a_named_moment_comes_back_from_a_folder(int major)
    {
        await using var archived = await ArchivedCluster.StartAsync(major);
        await BackUpDestroyAndRecoverAsync(archived);
    }

    [Theory]
    [MemberData(nameof(Majors))]
    public async Task What_was_there_at_a_named_moment_comes_back_from_a_bucket(int major)
    {
        await using var bucket = await S3Server.NewBucketAsync();
        await using var archived = await ArchivedCluster.StartAsync(major, ArchivedCluster.SettingsOf(bucket));
        await BackUpDestroyAndRecoverAsync(archived);
    }

    [Theory]
    [InlineData("zstd", "libsodium")]
    [InlineData("brotli", "openpgp")]
    [InlineData("lzma", null)]
    [InlineData("gzip", "libsodium")]
    [InlineData("none", null)]
    public async Task What_was_there_comes_back_with_every_codec_and_key(string method, string? encryption)
    {
        using var keys = new TemporaryFolder();
        var settings = new Dictionary<string, string> { ["WALG_COMPRESSION_METHOD"] = method };
        switch (encryption)
        {
            case "libsodium":
                settings["WALG_LIBSODIUM_KEY"] = "4bb7565dc495db165ec1e274412b1b5ee2714afbd2f5237e2faac163dadccb44";
                settings["WALG_LIBSODIUM_KEY_TRANSFORM"] = "hex";
                break;
            case "openpgp":
                settings["WALG_PGP_KEY"] = await PgpKeys.GenerateAsync(keys.FullName);
                break;
            default: break;
        }

        await using var archived = await ArchivedCluster.StartAsync(15, more: settings);
        await BackUpDestroyAndRecoverAsync(archived);
    }

    [Theory]
    [MemberData(nameof(Majors))]
    public async Task What_was_there_comes_back_from_a_backup_that_the_server_sent(int major)
    {
        await using var archived = await ArchivedCluster.StartAsync(major);
        await BackUpDestroyAndRecoverAsync(archived, isRemote: true);
    }

    [Fact]
    public async Task What_was_there_comes_back_from_a_backup_that_the_server_sent_to_a_bucket()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        await using var archived = await ArchivedCluster.StartAsync(17, ArchivedCluster.SettingsOf(bucket));
        await BackUpDestroyAndRecoverAsync(archived, isRemote: true);
    }

    private static async Task BackUpDestroyAndRecoverAsync(ArchivedCluster archived, bool isRemote = false)
    {
        var cluster = archived.Cluster;
        var tablespace = await cluster.CreateFolderAsync("ts");
        await cluster.ExecuteAsync($"CREATE TABLESPACE ts LOCATION '{tablespace}'");
        await cluster.ExecuteAsync("CREATE DATABASE shop");
        await cluster.ExecuteAsync(
            """
            CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 20000) AS n;
            CREATE TABLE elsewhere TABLESPACE ts AS SELECT n AS id FROM generate_series(1, 5000) AS n;
            CREATE UNLOGGED TABLE scratch AS SELECT 1 AS x;
            """,
            "shop");
        string[] folder = isRemote ? [] : [cluster.DataDirectory];
        await archived.WalRusAsync(["backup-push", .. folder, "--verify", "--add-user-data", "{\"why\":\"test\"}"]);
        await cluster.ExecuteAsync(
            "UPDATE orders SET note = 'changed ' || id WHERE id % 3 = 0; INSERT INTO elsewhere SELECT 9; CREATE TABLE later AS SELECT 1 AS x",
            "shop");
        string[] tables = ["orders", "elsewhere", "later"];
        var expected = await FingerprintsAsync(cluster, tables);
        await cluster.ExecuteAsync("SELECT pg_create_restore_point('the_moment')");
        await cluster.ExecuteAsync("DROP TABLE orders; UPDATE elsewhere SET id = 0; TRUNCATE later", "shop");
        await cluster.SwitchWalAsync();
        await cluster.KillAsync();

        // The original tablespace is still there, so the restored one has to go elsewhere.
        var oid = Directory.EnumerateFileSystemEntries(Path.Combine(cluster.DataDirectory, "pg_tblspc")).Select(Path.GetFileName).Single()!;
        using var spec = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(spec.FullName);
        await using var recovered = await archived.RecoverAsync(
            "LATEST", "--target-name", "the_moment", "--tablespace-mapping", $"{oid}={spec["ts"]}");

        Assert.Equal(expected, await FingerprintsAsync(recovered, tables));
        Assert.Equal(0, await recovered.ScalarAsync<long>("SELECT count(*) FROM scratch", "shop"));
        await recovered.ExecuteAsync("INSERT INTO orders VALUES (-1, 'writable')", "shop");
        await recovered.StopAsync();
        if (File.Exists(recovered.Programs.PathOf("pg_checksums")))
        {
            await recovered.Programs.RunAsync("pg_checksums", ["--check", "-D", recovered.DataDirectory]);
        }
    }

    private static async Task<string[]> FingerprintsAsync(PostgresCluster cluster, string[] tables)
    {
        var fingerprints = new List<string>();
        foreach (var table in tables)
        {
            fingerprints.Add($"{table}: {await ArchivedCluster.FingerprintAsync(cluster, table, "shop")}");
        }

        return [.. fingerprints];
    }
}
