using System.Text;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.Tests.Streaming.Tar;
using WalRus.WalG;
using WalRus.Streaming;

namespace WalRus.Tests.Backup;

/// <summary>Restores of hand-made backups: what is written where, and what is refused.</summary>
public sealed class BackupFetchTests : IDisposable
{
    private readonly BackupFetchFixture fixture = new();

    private static bool IsRoot => Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows();

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task A_backup_comes_back_whole()
    {
        await fixture.StoreAsync();
        var result = await fixture.FetchAsync();
        Assert.Equal(StoreExtensions.Bytes(300_000), fixture.Bytes("base/1/1259"));
        Assert.Equal(StoreExtensions.Bytes(8192, 2), fixture.Bytes("base/1/1249"));
        Assert.Equal("17\n", fixture.Text("PG_VERSION"));
        Assert.Equal(BackupFetchFixture.ControlFileBytes(), fixture.Bytes("global/pg_control"));
        Assert.Equal("START WAL LOCATION: ...", fixture.Text("backup_label"));
        foreach (var folder in new[] { "pg_wal/archive_status", "pg_dynshmem", "pg_notify", "pg_replslot", "pg_twophase", "pg_logical/snapshots" })
        {
            Assert.True(Directory.Exists(Path.Combine(fixture.Destination, folder)), folder);
        }

        Assert.DoesNotContain(fixture.Tree(), path => path.Contains("walrus", StringComparison.Ordinal));
        Assert.Equal(6, result.FileCount);
        Assert.Equal(300_000 + 8192 + 3 + 23, result.Bytes);
        Assert.Equal(fixture.Destination, result.DataDirectory);
    }

    [Fact]
    public async Task Folders_and_files_are_private_unless_the_cluster_let_its_group_read()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions.");
        await fixture.StoreAsync();
        await fixture.FetchAsync();
        Assert.Equal((UnixFileMode)0x1C0, ModeOf(fixture.Destination));
        Assert.Equal((UnixFileMode)0x1C0, ModeOf(Path.Combine(fixture.Destination, "pg_wal")));
        Assert.Equal((UnixFileMode)0x180, ModeOf(Path.Combine(fixture.Destination, "base/1/1259")));

        fixture.Parts["part_001.tar"][0] = TarBytes.Member("/", [], '5', mode: 0x1E8);
        fixture.Parts["part_001.tar"][4] = TarBytes.Member("/base/1/1259", StoreExtensions.Bytes(300_000), mode: 0x1A0);
        await fixture.StoreAsync();
        var other = fixture.Folder["other"];
        await fixture.FetchAsync(fixture.Request with { Destination = other });
        Assert.Equal((UnixFileMode)0x1E8, ModeOf(other));
        Assert.Equal((UnixFileMode)0x1A0, ModeOf(Path.Combine(other, "base/1/1259")));
        Assert.Equal((UnixFileMode)0x1A0, ModeOf(Path.Combine(other, "global/pg_control")));
    }

    [Fact]
    public async Task Root_gives_everything_to_the_owner_of_the_destination()
    {
        Assert.SkipUnless(IsRoot && OperatingSystem.IsLinux(), "Only root may give files away.");
        await fixture.StoreAsync();
        Directory.CreateDirectory(fixture.Destination);
        UnixFiles.ChangeOwner(fixture.Destination, new UnixOwner(12345, 12346));
        await fixture.FetchAsync(fixture.Request with { Recovery = new RecoverySettings { RestoreCommand = "cp" } });
        var everything = Directory.EnumerateFileSystemEntries(fixture.Destination, "*", SearchOption.AllDirectories).Append(fixture.Destination);
        Assert.All(everything, path => Assert.Equal((path, new UnixOwner(12345, 12346)), (path, UnixFiles.OwnerOf(path)!.Value)));
    }

    [Fact]
    public async Task Without_a_destination_the_headers_name_the_owner()
    {
        Assert.SkipUnless(IsRoot && OperatingSystem.IsLinux(), "Only root may give files away.");
        var member = TarBytes.Header("/PG_VERSION", 3);
        "0030071\0"u8.CopyTo(member.AsSpan(108));
        "0030072\0"u8.CopyTo(member.AsSpan(116));
        fixture.Parts["part_003.tar"][0] = [.. TarBytes.Sum(member), .. "17\n"u8, .. new byte[509]];
        await fixture.StoreAsync();
        await fixture.FetchAsync();
        var owner = new UnixOwner(12345, 12346);
        foreach (var path in new[] { "", "PG_VERSION", "backup_label", "global/pg_control", "pg_wal/archive_status" })
        {
            Assert.Equal((path, owner), (path, UnixFiles.OwnerOf(Path.Combine(fixture.Destination, path))!.Value));
        }
    }

    [Fact]
    public async Task Names_may_lack_the_leading_slash()
    {
        fixture.Files.Remove("/global");
        fixture.Parts["part_001.tar"] = [TarBytes.Member("base/", [], '5'), TarBytes.Member("./base/1/1259", "x"u8.ToArray())];
        fixture.Parts["pg_control.tar"] = [TarBytes.Member("global/pg_control", BackupFetchFixture.ControlFileBytes())];
        await fixture.StoreAsync();
        await fixture.FetchAsync();
        Assert.Equal("x", fixture.Text("base/1/1259"));
        Assert.True(File.Exists(Path.Combine(fixture.Destination, "global/pg_control")));
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("/../evil")]
    [InlineData("//etc/evil")]
    [InlineData("/base/../../evil")]
    [InlineData("base//1")]
    [InlineData("base/./1")]
    [InlineData("..")]
    public async Task Names_that_leave_the_destination_are_refused(string name)
    {
        fixture.Parts["part_001.tar"].Add(TarBytes.Member(name, "evil"u8.ToArray()));
        await fixture.StoreAsync();
        await fixture.RefusedAsync(ErrorCode.PathEscapesDestination);
        fixture.Parts["part_001.tar"][^1] = TarBytes.Member(name, [], '5');
        await fixture.StoreAsync();
        await fixture.RefusedAsync(ErrorCode.PathEscapesDestination);
    }

    [Theory]
    [InlineData("base/1/16384:stream")]
    [InlineData("C:/evil")]
    [InlineData(@"..\evil")]
    [InlineData("nul")]
    [InlineData("base/COM1.txt")]
    [InlineData("base/con .x")]
    [InlineData("base/1 ")]
    [InlineData("base/1.")]
    [InlineData("conin$")]
    public void Names_that_mean_something_else_on_Windows_are_refused_there(string name)
    {
        Assert.False(RestorePath.IsSafe(name, windows: true));
        Assert.True(RestorePath.IsSafe(name, windows: false));
        Assert.True(RestorePath.IsSafe("base/1/16384_fsm.1", windows: true));
        Assert.True(RestorePath.IsSafe("COM10", windows: true));
    }

    [Fact]
    public async Task No_file_is_written_through_a_link_that_the_archive_brings()
    {
        var outside = Directory.CreateDirectory(fixture.Folder["outside"]).FullName;
        fixture.Parts["part_001.tar"].Insert(0, TarBytes.Member("/trap", [], '2', linkName: outside));
        fixture.Parts["part_001.tar"].Add(TarBytes.Member("/trap/evil", "evil"u8.ToArray()));
        fixture.Parts["part_001.tar"].Add(TarBytes.Member("/hard", [], '1', linkName: "/etc/passwd"));
        fixture.Files.Add("/trap");
        await fixture.StoreAsync();
        await fixture.FetchAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
        Assert.Null(new DirectoryInfo(Path.Combine(fixture.Destination, "trap")).LinkTarget);
        Assert.False(File.Exists(Path.Combine(fixture.Destination, "hard")));
        Assert.Equal(2, fixture.Log.Names.Count(name => name == nameof(LogEvents.RestoreSkipsMember)));
    }

    [Fact]
    public async Task A_destination_that_is_not_empty_is_refused_and_left_alone()
    {
        await fixture.StoreAsync();
        Directory.CreateDirectory(fixture.Destination);
        File.WriteAllText(Path.Combine(fixture.Destination, "notes.txt"), "mine");
        await fixture.RefusedAsync(ErrorCode.DestinationNotEmpty);
        await fixture.RefusedAsync(ErrorCode.DestinationForeign, fixture.Request with { Force = true });
        await fixture.RefusedAsync(
            ErrorCode.DestinationInvalid, fixture.Request with { Destination = Path.Combine(fixture.Destination, "notes.txt") });
        await fixture.RefusedAsync(ErrorCode.DestinationInvalid, fixture.Request with { Destination = Path.GetPathRoot(fixture.Destination)! });
    }

    [Fact]
    public async Task Force_empties_a_stopped_data_directory_of_the_same_cluster_only()
    {
        await fixture.StoreAsync();
        var request = fixture.Request with { Force = true };
        WriteCluster(BackupFetchFixture.SystemIdentifier + 1);
        await fixture.RefusedAsync(ErrorCode.DestinationForeign, request);

        WriteCluster(BackupFetchFixture.SystemIdentifier);
        await File.WriteAllTextAsync(Path.Combine(fixture.Destination, "postmaster.pid"), $"{Environment.ProcessId}\n", TestContext.Current.CancellationToken);
        Assert.Contains("running", (await fixture.RefusedAsync(ErrorCode.DestinationForeign, request)).Message, StringComparison.Ordinal);

        await File.WriteAllTextAsync(Path.Combine(fixture.Destination, "postmaster.pid"), "999999999\n", TestContext.Current.CancellationToken);
        await fixture.FetchAsync(request);
        Assert.False(File.Exists(Path.Combine(fixture.Destination, "old")));
        Assert.False(File.Exists(Path.Combine(fixture.Destination, "postmaster.pid")));
        Assert.True(File.Exists(Path.Combine(fixture.Destination, "global/pg_control")));
    }

    [Fact]
    public void A_mount_below_is_seen_through_a_link()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads Linux' mount table.");
        Assert.SkipUnless(File.ReadAllText("/proc/self/mountinfo").Contains(" /dev/", StringComparison.Ordinal), "Nothing is mounted below /dev.");
        var link = fixture.Folder["link"];
        Directory.CreateSymbolicLink(link, "/dev");

        // The check alone, which deletes nothing.
        var refused = Assert.Throws<WalRusException>(() => ExistingCluster.CheckMayBeEmptied(link, BackupFetchFixture.SystemIdentifier));
        Assert.Equal(ErrorCode.DestinationForeign, refused.Code);
        Assert.Contains("a file system of its own", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forced_restore_that_fails_leaves_no_half_emptied_cluster()
    {
        fixture.Parts["part_003.tar"][1][0] ^= 1;
        await fixture.StoreAsync();
        WriteCluster(BackupFetchFixture.SystemIdentifier);
        await Assert.ThrowsAsync<WalRusException>(() => fixture.FetchAsync(fixture.Request with { Force = true }));
        Assert.Equal(["data/"], fixture.Tree());
    }

    [Fact]
    public async Task Force_removes_links_without_following_them()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege there.");
        await fixture.StoreAsync();
        WriteCluster(BackupFetchFixture.SystemIdentifier);
        var outside = Directory.CreateDirectory(fixture.Folder["outside"]).FullName;
        File.WriteAllText(Path.Combine(outside, "precious"), "");
        Directory.CreateSymbolicLink(Path.Combine(fixture.Destination, "pg_tblspc"), outside);
        Directory.CreateSymbolicLink(Path.Combine(fixture.Destination, "global/link"), outside);
        await fixture.FetchAsync(fixture.Request with { Force = true });
        Assert.True(File.Exists(Path.Combine(outside, "precious")));
        Assert.Null(new DirectoryInfo(Path.Combine(fixture.Destination, "pg_tblspc")).LinkTarget);
    }

    [Theory]
    [InlineData("pg_control.tar")]
    [InlineData("backup_label.tar")]
    [InlineData("part_001.tar")]
    [InlineData("part_003.tar")]
    public async Task A_backup_that_lost_a_tar_is_refused(string lost)
    {
        fixture.ListedTars = [.. fixture.Parts.Keys];
        fixture.Parts.Remove(lost);
        await fixture.StoreAsync();
        await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
    }

    [Fact]
    public async Task A_backup_that_lost_its_documents_is_refused()
    {
        await fixture.RefusedAsync(ErrorCode.BackupNotFound);
        await fixture.StoreAsync();
        await fixture.Store.DeleteAsync([WalGLayout.FilesMetadata(fixture.Name)], TestContext.Current.CancellationToken);
        await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
        fixture.Sentinel = fixture.Sentinel with { FilesMetadataDisabled = true };
        await fixture.Store.PutAsync(WalGLayout.Sentinel(fixture.Name).ToString(), fixture.Sentinel.ToJson());
        await fixture.FetchAsync();
    }

    [Fact]
    public async Task A_delta_without_its_parent_is_refused()
    {
        fixture.Sentinel = fixture.Sentinel with
        {
            Delta = new BackupDelta(new Lsn(0x2000028), "base_000000010000000000000002", "base_000000010000000000000002", 1),
        };
        await fixture.StoreAsync();
        var refused = await fixture.RefusedAsync(ErrorCode.BackupIncomplete);
        Assert.Contains("base_000000010000000000000002", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_part_of_an_earlier_backup_of_that_name_is_left_out()
    {
        fixture.ListedTars = [.. fixture.Parts.Keys];
        fixture.Parts["part_007.tar"] = [TarBytes.Member("/base/1/1259", "stale"u8.ToArray())];
        await fixture.StoreAsync();
        await fixture.FetchAsync();
        Assert.Equal(300_000, fixture.Bytes("base/1/1259").Length);
        Assert.Contains(nameof(LogEvents.RestoreSkipsObject), fixture.Log.Names);
    }

    [Fact]
    public async Task A_damaged_tar_is_named_and_nothing_is_left()
    {
        fixture.Parts["part_003.tar"][1][0] ^= 1;
        await fixture.StoreAsync();
        Assert.Contains("part_003.tar", (await fixture.RefusedAsync(ErrorCode.ObjectCorrupt)).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(fixture.Destination);
        await fixture.RefusedAsync(ErrorCode.ObjectCorrupt);
        fixture.Parts["part_003.tar"][1][0] ^= 1;
        fixture.Parts["pg_control.tar"] = [TarBytes.Member("/global/pg_control", BackupFetchFixture.ControlFileBytes(1))];
        await fixture.StoreAsync();
        await fixture.RefusedAsync(ErrorCode.ObjectCorrupt);
    }

    [Fact]
    public async Task A_tar_that_fails_for_a_passing_reason_is_tried_again()
    {
        await fixture.StoreAsync();
        var time = new ManualTime { AutoAdvance = true };
        fixture.Time = time;
        var flaky = new FlakyStore(fixture.Store, "part_001.tar", failures: 3);
        fixture.Store = flaky;
        var result = await fixture.FetchAsync();
        Assert.Equal(StoreExtensions.Bytes(300_000), fixture.Bytes("base/1/1259"));
        Assert.Equal((6L, 300_000L + 8192 + 3 + 23), (result.FileCount, result.Bytes));
        Assert.Equal([5.0, 10, 20], time.Waits.Select(wait => wait.TotalSeconds));
    }

    [Fact]
    public async Task A_tar_that_keeps_failing_is_given_up_after_the_retries()
    {
        await fixture.StoreAsync();
        fixture.Time = new ManualTime { AutoAdvance = true };
        fixture.Options = fixture.Options with { FileRetries = 2 };
        fixture.Store = new FlakyStore(fixture.Store, "part_001.tar", failures: 99);
        await fixture.RefusedAsync(ErrorCode.BackupPartFailed);
    }

    [Fact]
    public async Task A_cancelled_restore_leaves_nothing()
    {
        await fixture.StoreAsync();
        fixture.AddTablespace("16385", fixture.Folder["ts"]);
        await fixture.StoreAsync();
        using var cancelled = new CancellationTokenSource();
        fixture.Store = new FlakyStore(fixture.Store, "part_001.tar", failures: 99, onFailure: cancelled.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fixture.FetchAsync(cancellationToken: cancelled.Token));
        Assert.Empty(fixture.Tree());
    }

    [Fact]
    public async Task A_tablespace_goes_back_to_its_place_when_that_is_empty()
    {
        fixture.AddTablespace("16385", fixture.Folder["mnt", "ts one"]);
        await fixture.StoreAsync();
        var result = await fixture.FetchAsync();
        AssertTablespace(result, fixture.Folder["mnt", "ts one"]);
    }

    [Fact]
    public async Task A_mapped_tablespace_goes_where_it_is_mapped_to()
    {
        fixture.AddTablespace("16385", Path.GetPathRoot(fixture.Destination)! + "not/to/be/made");
        await fixture.StoreAsync();
        var place = fixture.Folder["mapped"];
        AssertTablespace(await fixture.FetchAsync(fixture.Request with { Tablespaces = [new("16385", place)] }), place);
    }

    [Fact]
    public async Task Tablespaces_that_cannot_be_placed_are_refused_with_what_to_give()
    {
        var place = Directory.CreateDirectory(fixture.Folder["ts"]).FullName;
        File.WriteAllText(Path.Combine(place, "used"), "");
        fixture.AddTablespace("16385", place);
        await fixture.StoreAsync();
        Assert.Contains("16385=", (await fixture.RefusedAsync(ErrorCode.DestinationNotEmpty)).Hint, StringComparison.Ordinal);
        async Task RefusedAsync(params TablespaceTarget[] targets) =>
            await fixture.RefusedAsync(ErrorCode.TablespaceMappingInvalid, fixture.Request with { Tablespaces = targets });

        await RefusedAsync(new TablespaceTarget("16386", fixture.Folder["x"]));
        await RefusedAsync(new TablespaceTarget("16385", "relative/path"));
        await RefusedAsync(new TablespaceTarget("16385", Path.Combine(fixture.Destination, "inside")));
        await RefusedAsync(new TablespaceTarget("16385", fixture.Destination));
        await RefusedAsync(new TablespaceTarget("16385", fixture.Folder["x"]), new TablespaceTarget("16385", fixture.Folder["y"]));
        fixture.Sentinel = fixture.Sentinel with
        {
            Tablespaces = new TablespaceSpec { BasePrefix = "/old", Entries = [new("../../x", "/x", "pg_tblspc/../../x")] },
        };
        await fixture.StoreAsync();
        await fixture.RefusedAsync(ErrorCode.TablespaceMappingInvalid);
    }

    [Fact]
    public async Task A_tablespace_in_place_stays_inside()
    {
        fixture.Parts["part_001.tar"].Add(TarBytes.Member("/pg_tblspc/16390/PG_17/5/1", "in place"u8.ToArray()));
        await fixture.StoreAsync();
        await fixture.FetchAsync();
        Assert.Equal("in place", fixture.Text("pg_tblspc/16390/PG_17/5/1"));
        Assert.Equal("", fixture.Text("tablespace_map"));
    }

    [Fact]
    public async Task A_mask_restores_what_it_matches_only()
    {
        await fixture.StoreAsync();
        await fixture.FetchAsync(fixture.Request with { Mask = "base/*/125?" });
        Assert.Equal(
            ["data/base/1/1259"], fixture.Tree().Where(path => !path.EndsWith('/')));
        await Assert.ThrowsAsync<WalRusException>(
            () => fixture.FetchAsync(fixture.Request with { Mask = "x", Recovery = new RecoverySettings { RestoreCommand = "cp" } }));
    }

    [Theory]
    [InlineData("base/*", "base/1", true)]
    [InlineData("base/*", "base/1/2", false)]
    [InlineData("*", "PG_VERSION", true)]
    [InlineData("*/*_fsm", "base/12_fsm_fsm", true)]
    [InlineData("base/[0-9]?", "base/17", true)]
    [InlineData("base/[^0-9]*", "base/17", false)]
    [InlineData(@"a\*b", "a*b", true)]
    [InlineData(@"a\*b", "axb", false)]
    [InlineData("*a*b*c", "xxaxxbxxc", true)]
    [InlineData("*a*b*c", "xxaxxbxx", false)]
    [InlineData("", "x", false)]
    public void A_mask_matches_as_in_Go(string pattern, string path, bool expected) =>
        Assert.Equal(expected, new RestoreMask("/" + pattern).Matches(path));

    [Theory]
    [InlineData("[")]
    [InlineData("[]")]
    [InlineData("[a-]")]
    [InlineData("a\\")]
    [InlineData("[a")]
    [InlineData("[^")]
    public void A_malformed_mask_is_refused(string pattern) =>
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<WalRusException>(() => new RestoreMask(pattern)).Code);

    [Fact]
    public async Task Recovery_settings_are_part_of_the_restore()
    {
        fixture.Parts["part_003.tar"].Add(TarBytes.Member("/postgresql.auto.conf", "work_mem = '64MB'\nrestore_command = 'old'\n"u8.ToArray()));
        fixture.Parts["part_003.tar"].Add(TarBytes.Member("/standby.signal", []));
        await fixture.StoreAsync();
        var recovery = new RecoverySettings { RestoreCommand = "fetch %f %p", Target = new RecoveryTarget { Name = "before" } };
        var result = await fixture.FetchAsync(fixture.Request with { Recovery = recovery });
        var written = fixture.Text("postgresql.auto.conf");
        Assert.StartsWith("work_mem = '64MB'\n# superseded by walrus: restore_command = 'old'\n", written, StringComparison.Ordinal);
        Assert.Contains("\nrestore_command = 'fetch %f %p'\nrecovery_target_name = 'before'\n", written, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(fixture.Destination, "recovery.signal")));
        Assert.False(File.Exists(Path.Combine(fixture.Destination, "standby.signal")));
        Assert.Equal("restore_command", result.RecoverySettings[0].Key);
    }

    private static UnixFileMode ModeOf(string path) => OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(path);

    private void WriteCluster(ulong identifier)
    {
        Directory.CreateDirectory(Path.Combine(fixture.Destination, "global"));
        File.WriteAllText(Path.Combine(fixture.Destination, "PG_VERSION"), "17\n");
        File.WriteAllText(Path.Combine(fixture.Destination, "old"), "");
        File.WriteAllBytes(Path.Combine(fixture.Destination, "global/pg_control"), BackupFetchFixture.ControlFileBytes(identifier));
    }

    private void AssertTablespace(BackupFetchResult result, string place)
    {
        Assert.Equal([new TablespaceTarget("16385", place)], result.Tablespaces);
        Assert.Equal(StoreExtensions.Bytes(8192, 3), File.ReadAllBytes(Path.Combine(place, "PG_17_202406281", "5", "16385")));
        Assert.Equal($"16385 {place.Replace("\\", "\\\\", StringComparison.Ordinal)}\n", fixture.Text("tablespace_map"));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(place, new DirectoryInfo(Path.Combine(fixture.Destination, "pg_tblspc", "16385")).LinkTarget);
        }
    }

    /// <summary>Breaks off reads of one object half-way, a number of times.</summary>
    private sealed class FlakyStore(IObjectStore inner, string name, int failures, Action? onFailure = null) : IObjectStore
    {
        private int left = failures;

        public string Name => inner.Name;

        public string Location => inner.Location;

        public StoreFeatures Features => inner.Features;

        public ValueTask<WalRus.Streaming.OutputStream> OpenWriteAsync(ObjectKey key, WriteCondition condition, CancellationToken cancellationToken) =>
            inner.OpenWriteAsync(key, condition, cancellationToken);

        public async ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
        {
            var stream = await inner.OpenReadAsync(key, range, cancellationToken);
            return key.Name == name && Interlocked.Decrement(ref left) >= 0 ? new Breaking(stream, onFailure) : stream;
        }

        public ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) => inner.HeadAsync(key, cancellationToken);

        public IAsyncEnumerable<ListEntry> ListAsync(ListRequest request, CancellationToken cancellationToken) =>
            inner.ListAsync(request, cancellationToken);

        public ValueTask<DeleteResult> DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken) =>
            inner.DeleteAsync(keys, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private sealed class Breaking(Stream inner, Action? onFailure) : WalRus.Streaming.InputStream
        {
            private int read;

            public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            {
                if (read > 150_000)
                {
                    onFailure?.Invoke();
                    cancellationToken.ThrowIfCancellationRequested();
                    throw new WalRusException(ErrorCode.StoreUnreachable, "The connection broke.") { IsTransient = true };
                }

                var count = await inner.ReadAsync(buffer[..Math.Min(buffer.Length, 60_000)], cancellationToken);
                read += count;
                return count;
            }

            protected override void Dispose(bool disposing)
            {
                inner.Dispose();
                base.Dispose(disposing);
            }
        }
    }
}
