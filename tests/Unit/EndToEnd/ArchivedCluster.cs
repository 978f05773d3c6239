namespace WalRus.Tests.EndToEnd;

/// <summary>A real server whose archive_command is walrus, with an archive in a folder or in a bucket.</summary>
internal sealed class ArchivedCluster : IAsyncDisposable
{
    private readonly TemporaryFolder folder;
    private readonly PostgresClusterOptions options;

    private ArchivedCluster(
        TemporaryFolder folder, PostgresCluster cluster, PostgresClusterOptions options, Dictionary<string, string> environment)
    {
        this.folder = folder;
        this.options = options;
        Cluster = cluster;
        Environment = environment;
    }

    /// <summary>The server that archives now.</summary>
    public PostgresCluster Cluster { get; private set; }

    /// <summary>The settings every walrus command of this archive runs with.</summary>
    public Dictionary<string, string> Environment { get; }

    /// <summary>The archive's folder; empty when it is a bucket.</summary>
    public string ArchiveFolder => folder["archive"];

    /// <param name="major">PostgreSQL's major version.</param>
    /// <param name="store">Settings that name another store than the folder; null for the folder.</param>
    /// <param name="more">Settings on top, such as a codec or a key.</param>
    /// <param name="server">Lines for postgresql.conf.</param>
    /// <param name="shape">What else the cluster is to be.</param>
    public static async Task<ArchivedCluster> StartAsync(
        int major,
        IReadOnlyDictionary<string, string>? store = null,
        IReadOnlyDictionary<string, string>? more = null,
        IReadOnlyDictionary<string, string>? server = null,
        Func<PostgresClusterOptions, PostgresClusterOptions>? shape = null)
    {
        var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        await GiveToServerAsync(folder.FullName);
        var environment = new Dictionary<string, string>(store ?? new Dictionary<string, string>
        {
            ["WALG_FILE_PREFIX"] = folder["archive"],
        })
        {
            // root's home is closed to the server's account, and walrus looks there for its settings.
            ["HOME"] = folder.FullName,
        };
        foreach (var (name, value) in more ?? new Dictionary<string, string>())
        {
            environment[name] = value;
        }

        var options = new PostgresClusterOptions
        {
            Major = major,
            ArchiveCommand = $"\"{WalRusProgram.Path}\" wal-push \"%p\"",
            Environment = environment,
            Settings = server ?? new Dictionary<string, string>(),
        };
        options = shape?.Invoke(options) ?? options;
        var archived = new ArchivedCluster(folder, await PostgresCluster.StartAsync(options), options, environment);
        archived.NameServer();
        return archived;
    }

    /// <summary>The settings that name a bucket of the test's S3 server.</summary>
    public static Dictionary<string, string> SettingsOf(S3Bucket bucket) => new()
    {
        ["WALG_S3_PREFIX"] = $"s3://{bucket.Name}/cluster",
        ["AWS_ENDPOINT"] = S3Server.Endpoint.AbsoluteUri,
        ["AWS_S3_FORCE_PATH_STYLE"] = "true",
        ["AWS_REGION"] = "us-east-1",
        ["AWS_ACCESS_KEY_ID"] = S3Server.Keys.AccessKeyId,
        ["AWS_SECRET_ACCESS_KEY"] = S3Server.Keys.SecretAccessKey,
    };

    /// <summary>Runs a walrus command of this archive that must succeed.</summary>
    public Task<string> WalRusAsync(params string[] arguments) => WalRusProgram.SucceedAsync(Environment, arguments);

    /// <summary>Another server takes this one's place: archiving, and in the settings; the one before is ended and removed.</summary>
    public async Task FollowAsync(PostgresCluster successor)
    {
        var before = Cluster;
        Cluster = successor;
        NameServer();
        await before.DisposeAsync();
    }

    /// <summary>
    /// Starts a server on a data directory that walrus restored, and waits until it has recovered. It archives nothing.
    /// </summary>
    public async Task<PostgresCluster> RecoverAsync(params string[] fetchArguments)
    {
        var place = await PostgresCluster.OverExistingAsync(new PostgresClusterOptions
        {
            Major = Cluster.Major,
            Archiving = false,
            Environment = Environment,
        });
        return await RecoverAsync(place, fetchArguments);
    }

    /// <summary>A place for a server that archives as this one does: for <see cref="RecoverAsync(PostgresCluster, string[])"/>.</summary>
    public Task<PostgresCluster> MakePlaceAsync() => PostgresCluster.OverExistingAsync(options);

    /// <summary>The same on a server that is there already, but empty; it is disposed of when that fails.</summary>
    public async Task<PostgresCluster> RecoverAsync(PostgresCluster restored, string[] fetchArguments)
    {
        try
        {
            await WalRusAsync(["backup-fetch", restored.DataDirectory, .. fetchArguments]);
            restored.WriteSettings();
            await restored.TakeOwnershipAsync();
            await restored.StartAsync();
            await PostgresCluster.UntilAsync(async () => !await restored.ScalarAsync<bool>("SELECT pg_is_in_recovery()"));
            return restored;
        }
        catch
        {
            await restored.DisposeAsync();
            throw;
        }
    }

    /// <summary>Row counts and a hash of every value of a table.</summary>
    public static Task<string> FingerprintAsync(PostgresCluster cluster, string table, string database = "postgres") =>
        cluster.ScalarAsync<string>(
            $"SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '-') FROM {table} AS t", database);

    private void NameServer()
    {
        Environment["PGHOST"] = Cluster.Host;
        Environment["PGPORT"] = $"{Cluster.Port}";
        Environment["PGUSER"] = Cluster.User;
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        folder.Dispose();
    }

    /// <summary>Gives a folder and all in it to the account that the server and walrus run under.</summary>
    public static async Task GiveToServerAsync(string path)
    {
        if (PostgresPrograms.RunsAsPostgres)
        {
            using var chown = System.Diagnostics.Process.Start("chown", ["-R", "postgres:postgres", path]);
            await chown.WaitForExitAsync();
        }
    }
}
