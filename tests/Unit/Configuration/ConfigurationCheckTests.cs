using System.Globalization;
using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

/// <summary>Real folders, a real bucket and a real server: each finding, and that nothing is left behind.</summary>
public sealed class ConfigurationCheckTests(SharedPostgresCluster shared) : IClassFixture<SharedPostgresCluster>
{
    [Theory]
    [InlineData("lz4")]
    [InlineData("none")]
    public async Task A_store_that_works_passes_and_keeps_no_probe(string method)
    {
        using var folder = new TemporaryFolder();
        var found = await RunAsync(
            [CheckArea.Store, CheckArea.Clock],
            ("WALG_FILE_PREFIX", folder.FullName),
            ("WALG_COMPRESSION_METHOD", method),
            ("WALG_LIBSODIUM_KEY", "a key of thirty-two bytes or so!"));
        Assert.Equal(["Write", "Read", "Delete", "Store"], found.Where(IsNotServer).Select(one => one.Name));
        Assert.All(found.Where(IsNotServer), one => Assert.Equal(CheckStatus.Passed, one.Status));
        Assert.Contains(" encrypted", found[0].Detail, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }

    [Fact]
    public async Task A_bucket_passes_and_a_wrong_secret_key_fails_with_what_to_do()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        (string, string)[] settings =
        [
            ("WALG_S3_PREFIX", $"s3://{bucket.Name}/a"), ("AWS_ENDPOINT", S3Server.Endpoint.ToString()), ("AWS_REGION", "us-east-1"),
            ("AWS_S3_FORCE_PATH_STYLE", "true"), ("AWS_ACCESS_KEY_ID", S3Server.Keys.AccessKeyId),
        ];
        var good = await RunAsync([CheckArea.Store], [.. settings, ("AWS_SECRET_ACCESS_KEY", S3Server.Keys.SecretAccessKey)]);
        Assert.Equal(3, good.Count(one => one.Status == CheckStatus.Passed));
        var bad = Assert.Single(await RunAsync([CheckArea.Store], [.. settings, ("AWS_SECRET_ACCESS_KEY", "not this one")]));
        Assert.Equal((CheckStatus.Failed, "Write"), (bad.Status, bad.Name));
        Assert.NotNull(bad.RecommendedAction);
    }

    [Fact]
    public async Task A_store_that_is_not_there_is_a_finding()
    {
        using var folder = new TemporaryFolder();
        var found = Assert.Single(await RunAsync([CheckArea.Store], ("WALG_FILE_PREFIX", folder["missing"])));
        Assert.Equal((CheckStatus.Failed, "Write"), (found.Status, found.Name));
        Assert.NotNull(found.RecommendedAction);
    }

    [Fact]
    public async Task Settings_stand_with_their_source_and_without_their_secrets()
    {
        var found = await RunAsync(
            [CheckArea.Setting], ("WALG_FILE_PREFIX", "/backup"), ("PGPASSWORD", "hunter2"), ("WALG_UPLOAD_CONCURRENCY", "many"));
        Assert.DoesNotContain(found, one => one.ToString().Contains("hunter2", StringComparison.Ordinal));
        Assert.Equal(SettingValue.Hidden, found.Single(one => one.Name == "PGPASSWORD").Detail);
        Assert.Equal("environment WALG_FILE_PREFIX", found.Single(one => one.Name == "WALG_FILE_PREFIX").Source);
        Assert.Contains(found, one => one.Name.EndsWith("UPLOAD_CONCURRENCY", StringComparison.Ordinal) && one.Status == CheckStatus.Failed);
    }

    [Fact]
    public async Task A_server_is_looked_at_as_the_role_that_backs_it_up()
    {
        var found = await RunAsync([CheckArea.Postgres, CheckArea.Clock], [.. Connection("postgres", "right horse")]);
        Assert.All(
            found.Where(one => one.Name is "Connection" or "Version" or "Privileges" or "wal_level" or "archive_mode" or "data_checksums"
                || one is { Area: CheckArea.Clock, Name: "PostgreSQL" }),
            one => Assert.Equal(CheckStatus.Passed, one.Status));
        Assert.Equal(8, found.Count(one => one is { Area: CheckArea.Postgres, Name: not "Archiver" }));

        // The fixture's archive_command is cp.
        Assert.Equal(CheckStatus.Warning, found.Single(one => one.Name == "archive_command").Status);
        Assert.Equal(CheckStatus.Skipped, found.Single(one => one.Name == "summarize_wal").Status);
    }

    [Fact]
    public async Task A_role_without_privileges_is_told_which_to_get()
    {
        await shared.Cluster.ExecuteAsync("CREATE ROLE nobody_much LOGIN PASSWORD 'right horse'");
        var found = await RunAsync([CheckArea.Postgres], [.. Connection("nobody_much", "right horse")]);
        var denied = found.Single(one => one.Status == CheckStatus.Failed);
        Assert.Contains("GRANT", denied.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_is_a_finding()
    {
        var found = Assert.Single(await RunAsync([CheckArea.Postgres], [.. Connection("postgres", "wrong horse")]));
        Assert.Equal((CheckStatus.Failed, "Connection"), (found.Status, found.Name));
        Assert.DoesNotContain("wrong horse", found.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, CheckStatus.Passed)]
    [InlineData(0.9, CheckStatus.Passed)]
    [InlineData(-0.9, CheckStatus.Passed)]
    [InlineData(30, CheckStatus.Warning)]
    [InlineData(-30, CheckStatus.Warning)]
    [InlineData(1000, CheckStatus.Failed)]
    public void A_clock_is_judged_by_how_far_it_is_off(double seconds, CheckStatus expected)
    {
        var now = DateTimeOffset.UtcNow;
        var found = StoreCheck.Compare("Store", "store's", now.AddSeconds(seconds), now, now);
        Assert.Equal(expected, found.Status);
        Assert.Equal(expected == CheckStatus.Passed, found.RecommendedAction is null);
    }

    [Fact]
    public async Task Every_native_library_is_looked_for()
    {
        var found = await RunAsync([CheckArea.Library], ("WALG_COMPRESSION_METHOD", "zstd"));
        Assert.Equal(["lz4", "zstd", "lzma", "sodium"], found.Select(one => one.Name));
        Assert.Contains("these settings use", found.Single(one => one.Name == "zstd").Detail, StringComparison.Ordinal);
    }

    private static bool IsNotServer(CheckResult one) => one.Area != CheckArea.Postgres && one.Name != "PostgreSQL";

    private static async Task<List<CheckResult>> RunAsync(CheckArea[] areas, params (string, string)[] environment)
    {
        var check = new ConfigurationCheck(Sources.FromEnvironment(environment), NullEventLog.Instance);
        var found = new List<CheckResult>();
        await foreach (var one in check.RunAsync(areas.ToHashSet(), all: false, TestContext.Current.CancellationToken))
        {
            found.Add(one);
        }

        return found;
    }

    private IEnumerable<(string, string)> Connection(string user, string password) =>
    [
        ("PGHOST", shared.Cluster.Host), ("PGPORT", shared.Cluster.Port.ToString(CultureInfo.InvariantCulture)), ("PGUSER", user),
        ("PGPASSWORD", password), ("PGDATABASE", "postgres"),
    ];
}
