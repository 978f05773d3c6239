namespace WalRus.Tests.EndToEnd;

/// <summary>What goes wrong at operators' desks, through the executable: a clear error, nothing lost, nothing half-made.</summary>
public sealed class BadInputTests(BadInputArchive archive) : IClassFixture<BadInputArchive>, IDisposable
{
    private const string Expected = "not to be touched";
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, bool> Damages => new(
        from kind in new[] { "part_001.tar", "pg_control.tar", "backup_label.tar", "files_metadata.json", "sentinel.json" }
        from cut in new[] { true, false }
        select (kind, cut));

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_damaged_object_of_a_backup_fails_the_restore_by_its_name_and_leaves_nothing(string kind, bool cut)
    {
        var settings = await archive.CopyAsync(folder);
        var path = ObjectOf(kind);
        Damage(path, cut);
        var code = kind switch
        {
            "files_metadata.json" or "sentinel.json" => ErrorCode.BackupUnreadable,
            _ => ErrorCode.DecryptionFailed,
        };
        var said = await BadInputArchive.FailsAsync(code, settings, "backup-fetch", folder["data"], "LATEST");
        Assert.Contains(kind == "sentinel.json" ? "sentinel" : Path.GetFileName(path), said, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Damaged_metadata_is_a_warning_and_the_backup_is_restored(bool cut)
    {
        var settings = await archive.CopyAsync(folder);
        Damage(ObjectOf("/metadata.json"), cut);
        var result = await WalRusProgram.RunAsync(["backup-fetch", folder["data"], "LATEST"], settings);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("WARNING", result.Errors, StringComparison.Ordinal);
        Assert.Contains("metadata.json", result.Errors, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(folder["data"], "global", "pg_control")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_damaged_segment_is_never_handed_to_replay(bool cut)
    {
        var settings = await archive.CopyAsync(folder);
        Damage(ObjectOf($"wal_005/{archive.Segments[0]}"), cut);
        var said = await BadInputArchive.FailsAsync(
            ErrorCode.DecryptionFailed, settings, "wal-fetch", archive.Segments[0], folder["RECOVERYXLOG"]);
        Assert.Contains(archive.Segments[0], said, StringComparison.Ordinal);
        Assert.False(File.Exists(folder["RECOVERYXLOG"]));
    }

    [Theory]
    [InlineData("wrong", ErrorCode.DecryptionFailed)]
    [InlineData("none", ErrorCode.ObjectCorrupt)]
    [InlineData("no key at all", ErrorCode.EncryptionKeyInvalid)]
    public async Task A_wrong_or_missing_key_reads_nothing_and_leaves_nothing(string key, ErrorCode code)
    {
        var settings = await archive.CopyAsync(folder);
        settings["WALG_LIBSODIUM_KEY"] = key == "wrong" ? new string('0', 64) : key;
        if (key == "none")
        {
            settings.Remove("WALG_LIBSODIUM_KEY");
            settings.Remove("WALG_LIBSODIUM_KEY_TRANSFORM");
        }

        var said = await BadInputArchive.FailsAsync(code, settings, "backup-fetch", folder["data"], "LATEST");
        Assert.Contains("key", said, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
        said = await BadInputArchive.FailsAsync(code, settings, "wal-fetch", archive.Segments[0], folder["RECOVERYXLOG"]);
        Assert.Contains("key", said, StringComparison.Ordinal);
        Assert.False(File.Exists(folder["RECOVERYXLOG"]));
    }

    [Fact]
    public async Task An_object_under_an_unknown_codec_is_named()
    {
        var settings = await archive.CopyAsync(folder);
        var part = ObjectOf("part_001.tar");
        File.Move(part, Path.ChangeExtension(part, ".rar"));
        var said = await BadInputArchive.FailsAsync(ErrorCode.CodecUnknown, settings, "backup-fetch", folder["data"], "LATEST");
        Assert.Contains("part_001.tar.rar", said, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
        settings["WALG_COMPRESSION_METHOD"] = "rar";
        said = await BadInputArchive.FailsAsync(ErrorCode.SettingInvalid, settings, "backup-push", archive.Cluster.DataDirectory);
        Assert.Contains("zstd", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_backup_is_named_with_the_way_to_those_there_are()
    {
        const string Unknown = "base_0000000100000000000000FF";
        foreach (var command in new[] { new[] { "backup-fetch", folder["data"], Unknown }, ["backup-show", Unknown] })
        {
            var said = await BadInputArchive.FailsAsync(ErrorCode.BackupNotFound, archive.Settings, command);
            Assert.Contains(Unknown, said, StringComparison.Ordinal);
            Assert.Contains("backup-list", said, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_target_before_the_first_backup_is_refused()
    {
        foreach (var target in new[] { new[] { "--target-time", "2001-01-01T00:00:00Z" }, ["--target-lsn", "0/1000000"] })
        {
            await BadInputArchive.FailsAsync(
                ErrorCode.RecoveryTargetUnreachable, archive.Settings, ["backup-fetch", folder["data"], "LATEST", .. target]);
            Assert.False(Directory.Exists(folder["data"]));
        }
    }

    [Fact]
    public async Task Missing_wal_is_found_before_anything_is_restored_and_named()
    {
        var settings = await archive.CopyAsync(folder);
        File.Delete(ObjectOf($"wal_005/{archive.Segments[1]}"));
        var said = await BadInputArchive.FailsAsync(
            ErrorCode.RecoveryWalMissing, settings, "backup-fetch", folder["data"], "LATEST", "--target-lsn", archive.LastLsn);
        Assert.Contains(archive.Segments[1], said, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
        await BadInputArchive.FailsAsync(
            ErrorCode.WalSegmentNotFound, settings, "wal-fetch", archive.Segments[1], folder["RECOVERYXLOG"]);
    }

    [Fact]
    public async Task A_destination_that_holds_something_is_left_as_it_is()
    {
        Directory.CreateDirectory(folder["foreign"]);
        await File.WriteAllTextAsync(folder["foreign", "letter.txt"], Expected, TestContext.Current.CancellationToken);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        await BadInputArchive.FailsAsync(
            ErrorCode.DestinationNotEmpty, archive.Settings, "backup-fetch", folder["foreign"], "LATEST");
        await BadInputArchive.FailsAsync(
            ErrorCode.DestinationNotEmpty, archive.Settings, "backup-fetch", archive.Cluster.DataDirectory, "LATEST");
        Assert.Equal([folder["foreign", "letter.txt"]], Directory.GetFileSystemEntries(folder["foreign"]));
        Assert.Equal(Expected, await File.ReadAllTextAsync(folder["foreign", "letter.txt"], TestContext.Current.CancellationToken));
        Assert.Equal(1, await archive.Cluster.ScalarAsync<int>("SELECT 1"));
    }

    [Fact]
    public async Task A_destination_or_source_that_is_not_there_is_named()
    {
        var missing = folder["no", "such", "folder", "RECOVERYXLOG"];
        var said = await BadInputArchive.FailsAsync(
            ErrorCode.FileNotFound, archive.Settings, "wal-fetch", archive.Segments[0], missing);
        Assert.Contains(folder["no"], said, StringComparison.Ordinal);
        said = await BadInputArchive.FailsAsync(ErrorCode.WalSourceNotFound, archive.Settings, "wal-push", folder["no", archive.Segments[0]]);
        Assert.Contains(folder["no"], said, StringComparison.Ordinal);
        var settings = new Dictionary<string, string>(archive.Settings) { ["WALG_FILE_PREFIX"] = folder["no"] };
        said = await BadInputArchive.FailsAsync(ErrorCode.StoreNotFound, settings, "backup-list");
        Assert.Contains(folder["no"], said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData("127.0.0.1")]
    public async Task A_server_that_does_not_answer_is_named(string host)
    {
        var settings = await archive.CopyAsync(folder);
        settings["PGHOST"] = host == "nowhere" ? folder["nowhere"] : host;
        settings["PGPORT"] = "1";
        var before = Directory.GetFiles(folder["archive"], "*", SearchOption.AllDirectories);
        var said = await BadInputArchive.FailsAsync(
            ErrorCode.PostgresUnreachable, settings, "backup-push", archive.Cluster.DataDirectory);
        Assert.Contains(settings["PGHOST"], said, StringComparison.Ordinal);
        Assert.Equal(before, Directory.GetFiles(folder["archive"], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_role_without_the_right_to_back_up_is_told_what_to_grant()
    {
        await archive.Cluster.ExecuteAsync("CREATE ROLE reader LOGIN");
        var settings = await archive.CopyAsync(folder);
        settings["PGUSER"] = "reader";
        settings["PGDATABASE"] = "postgres";
        var said = await BadInputArchive.FailsAsync(
            ErrorCode.PostgresPrivilegeMissing, settings, "backup-push", archive.Cluster.DataDirectory);
        Assert.Contains("GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_start", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_and_keys_that_are_wrong_are_told_apart()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        var settings = ArchivedCluster.SettingsOf(bucket);
        settings["WALG_S3_PREFIX"] = "s3://no-such-bucket-here/cluster";
        await File.WriteAllBytesAsync(
            folder[archive.Segments[0]],
            SyntheticWal.Segment(archive.Segments[0], WalRus.Postgres.WalSegmentSize.Default),
            TestContext.Current.CancellationToken);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        foreach (var command in new[]
            {
                new[] { "backup-list" }, ["wal-push", folder[archive.Segments[0]]], ["wal-fetch", archive.Segments[0], folder["fetched"]],
            })
        {
            var said = await BadInputArchive.FailsAsync(ErrorCode.StoreNotFound, settings, command);
            Assert.Contains("no-such-bucket-here", said, StringComparison.Ordinal);
            var denied = ArchivedCluster.SettingsOf(bucket);
            denied["AWS_SECRET_ACCESS_KEY"] = "not-the-secret";
            said = await BadInputArchive.FailsAsync(ErrorCode.StoreAccessDenied, denied, command);
            Assert.DoesNotContain("not-the-secret", said, StringComparison.Ordinal);
        }
    }

    private string ObjectOf(string fragment) => Directory
        .EnumerateFiles(folder["archive"], "*", SearchOption.AllDirectories)
        .Single(path => path.Contains(fragment, StringComparison.Ordinal));

    /// <summary>Cuts the last quarter off, or flips one bit: in the middle of data, at the beginning of a document.</summary>
    private static void Damage(string path, bool cut)
    {
        using var file = new FileStream(path, FileMode.Open);
        if (cut)
        {
            file.SetLength(file.Length * 3 / 4);
            return;
        }

        file.Position = path.EndsWith(".json", StringComparison.Ordinal) ? 0 : file.Length / 2;
        var was = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(was ^ 1));
    }
}
