using WalRus.Backup;
using WalRus.Protocol;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Backup;

/// <summary>What a backup refuses, and that a failed one leaves neither objects nor a server in backup mode.</summary>
public sealed class BackupPushFailureTests(SharedPostgresCluster shared) : IClassFixture<SharedPostgresCluster>, IDisposable
{
    private readonly BackupPushFixture fixture = new();
    private readonly PostgresCluster cluster = shared.Cluster;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task A_wrong_password_is_an_authentication_failure_that_does_not_print_it()
    {
        var push = new BackupPush(fixture.Archive, cluster.Settings(password: "wrong horse"), fixture.Options, fixture.Log);
        var failure = await push.RunAsync(BackupPushFixture.RequestFor(cluster), Token)
            .FailsAsync(ErrorCode.PostgresAuthenticationFailed);
        Assert.DoesNotContain("wrong horse", failure.ToString(), StringComparison.Ordinal);
        Assert.Empty(await fixture.KeysAsync());
    }

    [Fact]
    public async Task A_role_without_privileges_is_told_what_to_grant_and_works_once_it_has_it()
    {
        await cluster.ExecuteAsync("CREATE ROLE keeper LOGIN PASSWORD 'k'");
        var push = new BackupPush(fixture.Archive, cluster.Settings("keeper", "k"), fixture.Options, fixture.Log);
        var request = BackupPushFixture.RequestFor(cluster);
        var failure = await push.RunAsync(request, Token).FailsAsync(ErrorCode.PostgresPrivilegeMissing);
        var grants = failure.Hint!["As a superuser: ".Length..].Replace("<role>", "keeper", StringComparison.Ordinal);

        // Half of it is not enough: then the start is refused, with the same advice.
        await cluster.ExecuteAsync("GRANT pg_read_all_settings TO keeper");
        failure = await push.RunAsync(request, Token).FailsAsync(ErrorCode.PostgresPrivilegeMissing);
        Assert.Contains("pg_backup_start", failure.Hint, StringComparison.Ordinal);
        Assert.Empty(await fixture.KeysAsync());

        await cluster.ExecuteAsync(grants);
        var result = await push.RunAsync(request, Token);
        Assert.True(await fixture.Store.HasAsync($"basebackups_005/{result.Backup.Name}_backup_stop_sentinel.json"));
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_unreachable_and_the_next_host_is_tried()
    {
        var here = cluster.Settings();
        var nowhere = here with { Endpoints = [new PostgresEndpoint(fixture.Folder.FullName, 5432)] };
        var failure = await new BackupPush(fixture.Archive, nowhere, fixture.Options, fixture.Log)
            .RunAsync(BackupPushFixture.RequestFor(cluster), Token).FailsAsync(ErrorCode.PostgresUnreachable);
        Assert.True(failure.IsTransient);

        var both = here with { Endpoints = [.. nowhere.Endpoints, .. here.Endpoints] };
        await new BackupPush(fixture.Archive, both, fixture.Options, fixture.Log)
            .RunAsync(BackupPushFixture.RequestFor(cluster), Token);
    }

    [Fact]
    public async Task A_directory_that_is_not_the_servers_is_refused()
    {
        await fixture.PushAsync(cluster, new BackupPushRequest { DataDirectory = fixture.Folder.FullName })
            .FailsAsync(ErrorCode.DataDirectoryMismatch);
        await using var other = await PostgresCluster.CreateAsync();
        await fixture.PushAsync(cluster, BackupPushFixture.RequestFor(other)).FailsAsync(ErrorCode.DataDirectoryMismatch);
        Assert.Empty(await fixture.KeysAsync());
    }

    [Fact]
    public async Task A_link_to_the_data_directory_is_as_good_as_its_path()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a privilege there.");
        var link = fixture.Folder["link"];
        Directory.CreateSymbolicLink(link, cluster.WorkFolder);
        var result = await fixture.PushAsync(cluster, new BackupPushRequest { DataDirectory = Path.Combine(link, "data") + "/" });
        Assert.Equal(cluster.DataDirectory, result.Backup.DataDirectory);
    }

    [Fact]
    public async Task Cancelling_in_the_middle_leaves_nothing_behind()
    {
        using var cancel = new CancellationTokenSource();
        fixture.Options = fixture.Options with { TarSizeThresholdBytes = 1 << 20, DiskRateLimitBytesPerSecond = 20 << 20 };
        fixture.Store = new CallbackStore(fixture.Store)
        {
            Completed = key =>
            {
                if (key.Name == "part_003.tar")
                {
                    cancel.Cancel();
                }
            },
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => fixture.PushAsync(cluster, cancellationToken: cancel.Token));
        await NothingIsLeftAsync();
        await fixture.PushAsync(cluster);
    }

    [Fact]
    public async Task Cancelling_while_the_stop_waits_for_archiving_ends_the_backup_too()
    {
        await using var own = await PostgresCluster.StartAsync();
        await own.ExecuteAsync("ALTER SYSTEM SET archive_command = 'false'");
        await own.ReloadAsync();
        using var cancel = new CancellationTokenSource();
        fixture.Store = new CallbackStore(fixture.Store)
        {
            Completed = key =>
            {
                if (key.Name == "pg_control.tar")
                {
                    cancel.CancelAfter(TimeSpan.FromSeconds(1));
                }
            },
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => fixture.PushAsync(own, cancellationToken: cancel.Token));
        await NothingIsLeftAsync(own);
    }

    [Fact]
    public async Task Archiving_that_never_ends_runs_into_the_stop_timeout()
    {
        await using var own = await PostgresCluster.StartAsync();
        await own.ExecuteAsync("ALTER SYSTEM SET archive_command = 'false'");
        await own.ReloadAsync();
        fixture.Options = fixture.Options with { StopBackupTimeout = TimeSpan.FromSeconds(1) };
        var failure = await fixture.PushAsync(own).FailsAsync(ErrorCode.DeadlineExceeded);
        Assert.Contains("archive", failure.Message, StringComparison.Ordinal);
        await NothingIsLeftAsync(own);
    }

    [Fact]
    public async Task A_server_killed_in_the_middle_is_noticed_while_copying()
    {
        await using var own = await PostgresCluster.StartAsync();
        fixture.Options = fixture.Options with
        {
            AliveCheckInterval = TimeSpan.FromMilliseconds(100),
            DiskRateLimitBytesPerSecond = 1 << 20,
        };
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var killed = 0;
        var push = fixture.PushAsync(own, (path, size) =>
        {
            if (path.Contains("/base/", StringComparison.Ordinal) && Interlocked.Exchange(ref killed, 1) == 0)
            {
                own.KillAsync().GetAwaiter().GetResult();
            }

            return DataFile.TryOpen(path, size);
        });
        await push.FailsAsync(ErrorCode.PostgresConnectionLost);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(15), "The loss was noticed only at the end.");
        Assert.Empty(await fixture.KeysAsync());
    }

    [Fact]
    public async Task A_session_ended_by_an_administrator_fails_the_backup()
    {
        var ended = 0;
        var push = fixture.PushAsync(cluster, (path, size) =>
        {
            if (path.Contains("/base/", StringComparison.Ordinal) && Interlocked.Exchange(ref ended, 1) == 0)
            {
                cluster.ExecuteAsync(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'walrus'").GetAwaiter().GetResult();
            }

            return DataFile.TryOpen(path, size);
        });
        await push.FailsAsync(ErrorCode.PostgresConnectionLost);
        await NothingIsLeftAsync();
    }

    [Theory]
    [InlineData("part_001.tar")]
    [InlineData("pg_control.tar")]
    [InlineData("backup_label.tar")]
    [InlineData("files_metadata.json")]
    public async Task A_store_that_fails_for_any_object_leaves_nothing(string name)
    {
        fixture.Store = new CallbackStore(fixture.Store)
        {
            Opening = key =>
            {
                if (key.Name == name)
                {
                    throw new WalRusException(ErrorCode.StoreFailed, "no");
                }
            },
        };
        await fixture.PushAsync(cluster).FailsAsync(ErrorCode.StoreFailed);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_sentinel_that_may_have_arrived_keeps_everything_it_stands_for()
    {
        fixture.Store = new CallbackStore(fixture.Store)
        {
            Completed = key =>
            {
                if (key.Name.EndsWith("sentinel.json", StringComparison.Ordinal))
                {
                    throw new WalRusException(ErrorCode.DeadlineExceeded, "the answer got lost");
                }
            },
        };
        var result = await fixture.PushAsync(cluster);
        Assert.Contains(result.Warnings, warning => warning.Contains("the answer got lost", StringComparison.Ordinal));

        fixture.Store = new CallbackStore(fixture.Store)
        {
            Opening = key =>
            {
                if (key.Name.EndsWith("sentinel.json", StringComparison.Ordinal))
                {
                    throw new WalRusException(ErrorCode.StoreUnreachable, "no route");
                }
            },
        };
        var before = (await fixture.KeysAsync()).Length;
        await fixture.PushAsync(cluster).FailsAsync(ErrorCode.StoreUnreachable);
        Assert.InRange((await fixture.KeysAsync()).Length, before + 5, int.MaxValue);
        Assert.Contains("BackupRemnantsLeft", fixture.Log.Names);
    }

    [Fact]
    public async Task A_backup_fails_for_a_file_it_may_not_read()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix permissions.");
        var failure = await fixture.PushAsync(cluster, (path, size) => path.EndsWith("postgresql.conf", StringComparison.Ordinal)
            ? throw DataFile.Translate(new UnauthorizedAccessException(), path)
            : DataFile.TryOpen(path, size)).FailsAsync(ErrorCode.FileAccessDenied);
        Assert.Contains("postgresql.conf", failure.Message, StringComparison.Ordinal);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Timeouts_that_a_role_sets_for_its_queries_do_not_end_a_backup()
    {
        await using var own = await PostgresCluster.StartAsync();
        await own.ExecuteAsync("ALTER ROLE postgres SET statement_timeout = '400ms'");
        await own.ExecuteAsync("ALTER ROLE postgres SET idle_session_timeout = '300ms'");
        fixture.Options = fixture.Options with { DiskRateLimitBytesPerSecond = 30 << 20 };
        await fixture.PushAsync(own);
    }

    [Fact]
    public async Task Names_in_a_hostile_search_path_are_not_used()
    {
        await using var own = await PostgresCluster.StartAsync();
        await own.ExecuteAsync("""
            CREATE SCHEMA evil;
            CREATE FUNCTION evil.version() RETURNS text LANGUAGE sql AS $$SELECT pg_terminate_backend(pg_backend_pid())::text$$;
            CREATE FUNCTION evil.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
            CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'$$;
            CREATE FUNCTION evil.same(oid, oid) RETURNS boolean LANGUAGE sql AS $$SELECT false$$;
            CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.same);
            CREATE TABLE evil.pg_class AS SELECT 1 AS x;
            CREATE DOMAIN evil.int8 AS text;
            CREATE TABLE public.real_table (x int);
            ALTER DATABASE postgres SET search_path = evil, pg_catalog;
            """);
        var result = await fixture.PushAsync(own);
        var tables = (await fixture.FilesAsync(result)).GetProperty("DatabasesByNames").GetProperty("postgres").GetProperty("tables_new");
        Assert.True(tables.TryGetProperty("public.real_table", out _));
        Assert.True(tables.TryGetProperty("evil.pg_class", out _));
    }

    private async Task NothingIsLeftAsync(PostgresCluster? server = null)
    {
        Assert.Empty(await fixture.KeysAsync());
        await PostgresCluster.UntilAsync(() => (server ?? cluster).ScalarAsync<bool>(
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'walrus'"));
    }
}

/// <summary>A store that tells of each object that is begun or complete; the callback may throw.</summary>
internal sealed class CallbackStore(IObjectStore inner) : IObjectStore
{
    public Action<ObjectKey> Opening { get; init; } = _ => { };

    public Action<ObjectKey> Completed { get; init; } = _ => { };

    public string Name => inner.Name;

    public string Location => inner.Location;

    public StoreFeatures Features => inner.Features;

    public async ValueTask<OutputStream> OpenWriteAsync(ObjectKey key, WriteCondition condition, CancellationToken cancellationToken)
    {
        Opening(key);
        return new Target(await inner.OpenWriteAsync(key, condition, cancellationToken), () => Completed(key));
    }

    public ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken) =>
        inner.OpenReadAsync(key, range, cancellationToken);

    public ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) =>
        inner.HeadAsync(key, cancellationToken);

    public IAsyncEnumerable<ListEntry> ListAsync(ListRequest request, CancellationToken cancellationToken) =>
        inner.ListAsync(request, cancellationToken);

    public ValueTask<DeleteResult> DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken) =>
        inner.DeleteAsync(keys, cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Target(OutputStream inner, Action completed) : OutputStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(buffer, cancellationToken);

        public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
        {
            await inner.CompleteAsync(cancellationToken);
            completed();
        }

        public override async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync();
            GC.SuppressFinalize(this);
        }
    }
}
