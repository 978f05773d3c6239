using WalRus.Configuration;

namespace WalRus.Tests.Configuration;

public sealed class EngineTests
{
    [Fact]
    public async Task A_folder_prefix_gives_an_archive_in_that_folder()
    {
        using var folder = new TemporaryFolder();
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(("WALG_FILE_PREFIX", folder.FullName), ("WALG_COMPRESSION_METHOD", "zstd")), NullEventLog.Instance);
        Assert.Contains(Path.GetFileName(folder.FullName), engine.Archive.Store.Location, StringComparison.Ordinal);
        Assert.Equal("default", engine.Archive.Store.Name);
        Assert.Equal("zst", engine.Archive.Codec.Extension);
        Assert.Null(engine.Archive.Crypter);
    }

    [Fact]
    public async Task WAL_E_s_form_of_a_folder_prefix_is_taken()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "A URL without a drive is no Windows path.");
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(("WALE_FILE_PREFIX", "file://localhost/backup/a")), NullEventLog.Instance);
        Assert.Equal("file:///backup/a", engine.Archive.Store.Location);
    }

    [Fact]
    public async Task The_storage_prefix_is_a_folder_below_that_is_made()
    {
        using var folder = new TemporaryFolder();
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(("WALG_FILE_PREFIX", folder.FullName), ("WALG_STORAGE_PREFIX", "/shard1/db/")), NullEventLog.Instance);
        Assert.EndsWith("/shard1/db", engine.Archive.Store.Location, StringComparison.Ordinal);
        Assert.True(Directory.Exists(folder["shard1", "db"]));
    }

    [Theory]
    [InlineData("../other")]
    [InlineData("a//b")]
    [InlineData("a\\b")]
    public void A_storage_prefix_that_leads_elsewhere_is_refused(string prefix) => Assert.Equal(
        ErrorCode.SettingInvalid, OpenFailure(("WALG_FILE_PREFIX", Path.GetTempPath()), ("WALG_STORAGE_PREFIX", prefix)).Code);

    [Theory]
    [InlineData("relative/path")]
    [InlineData("file:///backup")]
    public void A_folder_prefix_must_be_absolute(string prefix) =>
        Assert.Equal(ErrorCode.SettingInvalid, OpenFailure(("WALG_FILE_PREFIX", prefix)).Code);

    [Fact]
    public void Without_a_prefix_the_error_says_which_to_set()
    {
        var failure = OpenFailure();
        Assert.Equal(ErrorCode.SettingMissing, failure.Code);
        Assert.StartsWith("Failed to find any configured storage", failure.Message, StringComparison.Ordinal);
        Assert.Contains("WALG_FILE_PREFIX", failure.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("WALG_GS_PREFIX", "gs://b/p")]
    [InlineData("WALE_AZ_PREFIX", "azure://b/p")]
    [InlineData("WALG_SSH_PREFIX", "ssh://h/p")]
    [InlineData("WALG_SWIFT_PREFIX", "swift://b/p")]
    [InlineData("WALG_OSS_PREFIX", "oss://b/p")]
    public void A_store_that_is_not_supported_is_refused(string name, string value) =>
        Assert.Equal(ErrorCode.SettingNotSupported, OpenFailure((name, value)).Code);

    [Fact]
    public void A_prefix_that_wal_g_would_take_first_is_not_passed_over() => Assert.Equal(
        ErrorCode.SettingNotSupported, OpenFailure(("WALG_FILE_PREFIX", "/a"), ("WALG_OSS_PREFIX", "oss://b/p")).Code);

    [Theory]
    [InlineData("WALG_GPG_KEY_ID", "abc")]
    [InlineData("GPG_KEY_ID", "abc")]
    [InlineData("WALG_CSE_KMS_ID", "arn:x")]
    [InlineData("YC_CSE_KMS_KEY_ID", "x")]
    [InlineData("WALG_ENVELOPE_PGP_KEY", "x")]
    [InlineData("WALG_ENVELOPE_PGP_KEY_PATH", "/x")]
    [InlineData("WALG_FAILOVER_STORAGES", "{\"a\":{}}")]
    [InlineData("WALG_TARGET_STORAGE", "other")]
    [InlineData("WALG_PG_BLOCK_SIZE", "16384")]
    [InlineData("WALG_PG_WAL_PAGE_SIZE", "16384")]
    public void What_would_protect_or_place_data_otherwise_is_refused(string name, string value)
    {
        var failure = OpenFailure(("WALG_FILE_PREFIX", Path.GetTempPath()), (name, value));
        Assert.Equal(ErrorCode.SettingNotSupported, failure.Code);
        Assert.Contains(name, failure.Message, StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(failure.Hint));
    }

    [Fact]
    public async Task A_service_that_is_in_no_service_file_is_refused_for_a_backup()
    {
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(("WALG_FILE_PREFIX", Path.GetTempPath()), ("PGSERVICE", "x"), ("PGSERVICEFILE", "/absent")),
            NullEventLog.Instance);
        Assert.NotNull(engine.CreateWalPush());
        Assert.Equal(
            ErrorCode.SettingInvalid,
            Assert.Throws<WalRusException>(() => engine.CreateBackupPush(engine.BackupPushOptions)).Code);
    }

    [Fact]
    public async Task Failover_storages_in_a_file_are_refused_and_an_empty_list_is_not()
    {
        using var folder = new TemporaryFolder();
        var prefix = $"WALG_FILE_PREFIX: '{folder.FullName}'\n";
        var failure = Assert.Throws<WalRusException>(() => WalRusEngine.Open(
            Sources.FromFile("/c.yaml", prefix + "WALG_FAILOVER_STORAGES:\n  other:\n    AWS_SECRET_ACCESS_KEY: hunter2\n"),
            NullEventLog.Instance));
        Assert.Equal(ErrorCode.SettingNotSupported, failure.Code);
        Assert.DoesNotContain("hunter2", failure.ToString(), StringComparison.Ordinal);
        await using var engine = WalRusEngine.Open(
            Sources.FromFile("/c.yaml", prefix + "WALG_FAILOVER_STORAGES: {}\nWALG_TARGET_STORAGE: default\n"), NullEventLog.Instance);
    }

    [Fact]
    public async Task Settings_without_effect_are_named_in_one_warning()
    {
        var log = new RecordingLog();
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(
                ("WALG_FILE_PREFIX", Path.GetTempPath()), ("WALG_USE_RATING_COMPOSER", "true"), ("WALG_USE_COPY_COMPOSER", "false"),
                ("WALG_STATSD_ADDRESS", "h:1"), ("GOMAXPROCS", "2"), ("WALG_DELTA_ORIGIN", "LATEST"), ("AZURE_STORAGE_ACCOUNT", "x")),
            log);
        var warning = Assert.Single(log.Events);
        Assert.Equal(EventLevel.Warning, warning.Level);
        Assert.EndsWith(": WALG_STATSD_ADDRESS", warning.Message, StringComparison.Ordinal);

        // What concerns backups alone is said when one is made, not with every segment.
        engine.CreateBackupPush(engine.BackupPushOptions);
        Assert.EndsWith(": WALG_USE_RATING_COMPOSER", log.Events.Last().Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_setting_of_another_operation_does_not_stop_archiving()
    {
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(("WALG_FILE_PREFIX", Path.GetTempPath()), ("WALG_TAR_SIZE_THRESHOLD", "nonsense")),
            NullEventLog.Instance);
        Assert.NotNull(engine.CreateWalPush());
    }

    [Theory]
    [InlineData("3")]
    [InlineData("2048")]
    [InlineData("0")]
    public void A_segment_size_is_a_power_of_two(string megabytes)
    {
        var engine = WalRusEngine.Open(
            Sources.FromEnvironment(("WALG_FILE_PREFIX", Path.GetTempPath()), ("WALG_PG_WAL_SIZE", megabytes)), NullEventLog.Instance);
        Assert.Equal(ErrorCode.SettingInvalid, Assert.Throws<WalRusException>(engine.CreateWalPush).Code);
    }

    [Fact]
    public void Turbo_lifts_the_rate_limits()
    {
        var sources = Sources.Of(environment: [("WALG_NETWORK_RATE_LIMIT", "1MB"), ("WALG_DISK_RATE_LIMIT", "0")]);
        var settings = WalRusSettings.Load(sources);
        Assert.Equal(1 << 20, OperationOptions.RateLimit(settings, SettingCatalog.NetworkRateLimit));
        Assert.Null(OperationOptions.RateLimit(settings, SettingCatalog.DiskRateLimit));
        Assert.Null(OperationOptions.RateLimit(WalRusSettings.Load(sources with { Turbo = true }), SettingCatalog.NetworkRateLimit));
    }

    [Fact]
    public async Task A_libsodium_key_encrypts_and_wins_over_a_file()
    {
        await using var engine = WalRusEngine.Open(
            Sources.FromEnvironment(
                ("WALG_FILE_PREFIX", Path.GetTempPath()), ("WALG_LIBSODIUM_KEY", new string('k', 32)), ("WALG_LIBSODIUM_KEY_PATH", "/none")),
            NullEventLog.Instance);
        Assert.Equal("libsodium", engine.Archive.Crypter!.Name);
    }

    private static WalRusException OpenFailure(params (string, string)[] environment) =>
        Assert.Throws<WalRusException>(() => WalRusEngine.Open(Sources.FromEnvironment(environment), NullEventLog.Instance));
}
