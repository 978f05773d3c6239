using System.Diagnostics;
using System.Globalization;
using WalRus.Backup;

namespace WalRus.Cli.Demo;

/// <summary>
/// The main job on a throwaway PostgreSQL and an archive in a folder: back up, archive, destroy, recover to a named
/// moment, prove it. Every step of WalRus is this executable run as a user would run it.
/// </summary>
internal sealed class Demonstration : IAsyncDisposable
{
    private readonly TextWriter output;
    private readonly string folder;
    private readonly bool keep;
    private readonly string executable;
    private readonly KeyValuePair<string, string>[] environment;
    private readonly ThrowawayServer server;
    private readonly DemoDatabase database;
    private readonly Stopwatch total = Stopwatch.StartNew();

    public Demonstration(PostgresInstallation postgres, string parentFolder, bool keep, TextWriter output)
    {
        this.output = output;
        this.keep = keep;
        folder = Path.Combine(parentFolder, $"walrus-demo-{Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal)}");
        Directory.CreateDirectory(folder);
        Directory.CreateDirectory(Archive);
        executable = CopyExecutable();
        environment =
        [
            new("WALG_FILE_PREFIX", Archive), new("WALG_COMPRESSION_METHOD", "lz4"), new("PGUSER", "postgres"),
            new("PGHOST", OperatingSystem.IsWindows() ? "127.0.0.1" : Work),
        ];
        Directory.CreateDirectory(Work);
        server = new ThrowawayServer(new ThrowawayServerOptions
        {
            Installation = postgres,
            WorkFolder = Work,
            DataDirectory = Data,
            Environment = environment,
        });
        environment = [.. environment, new("PGPORT", server.Port.ToString(CultureInfo.InvariantCulture))];
        database = new DemoDatabase(server);
        Postgres = postgres;
    }

    private PostgresInstallation Postgres { get; }

    private string Archive => Path.Combine(folder, "archive");

    private string Data => Path.Combine(folder, "data");

    private string Work => Path.Combine(folder, "run");

    /// <returns>True when what was recovered equals what was there at the named moment.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        output.WriteLine($"WalRus demonstration in {folder} with PostgreSQL from {Postgres.BinFolder}");
        await GiveToServerAccountAsync(cancellationToken).ConfigureAwait(false);

        await StepAsync("Start a server with page checksums that archives its WAL through walrus", async () =>
        {
            await server.InitializeAsync(cancellationToken).ConfigureAwait(false);
            await File.AppendAllTextAsync(Path.Combine(Data, "postgresql.conf"), ArchivingSettings(), cancellationToken)
                .ConfigureAwait(false);
            await server.StartAsync(cancellationToken).ConfigureAwait(false);
            await database.CreateAsync(cancellationToken).ConfigureAwait(false);
            await database.PayAsync(50_000, cancellationToken).ConfigureAwait(false);
            return "50,000 accounts, 50,000 payments";
        }).ConfigureAwait(false);

        await StepAsync("walrus backup-push --verify DATA", () =>
            WalRusAsync(["backup-push", "--verify", Data], cancellationToken)).ConfigureAwait(false);

        var expected = default(DemoFingerprint);
        await StepAsync($"Go on working, then name the moment '{DemoDatabase.RestorePoint}'", async () =>
        {
            await database.PayAsync(100_000, cancellationToken).ConfigureAwait(false);
            expected = await database.FingerprintAsync(cancellationToken).ConfigureAwait(false);
            await database.NameMomentAsync(cancellationToken).ConfigureAwait(false);
            return Describe(expected);
        }).ConfigureAwait(false);

        await StepAsync("Disaster: both tables dropped, the server killed, its data directory removed", async () =>
        {
            var segment = await database.DestroyAsync(cancellationToken).ConfigureAwait(false);
            await database.WaitUntilArchivedAsync(segment, cancellationToken).ConfigureAwait(false);
            await server.StopAsync(immediate: true, cancellationToken).ConfigureAwait(false);
            Directory.Delete(Data, recursive: true);
            return $"WAL archived through {segment}";
        }).ConfigureAwait(false);

        await StepAsync("walrus backup-list", () => WalRusAsync(["backup-list"], cancellationToken)).ConfigureAwait(false);

        await StepAsync($"walrus backup-fetch DATA LATEST --target-name {DemoDatabase.RestorePoint}", () => WalRusAsync(
            ["backup-fetch", Data, "LATEST", "--target-name", DemoDatabase.RestorePoint], cancellationToken))
            .ConfigureAwait(false);

        var recovered = default(DemoFingerprint);
        await StepAsync("Start the server: it fetches its WAL through walrus and recovers", async () =>
        {
            await server.StartAsync(cancellationToken).ConfigureAwait(false);
            await database.WaitUntilRecoveredAsync(cancellationToken).ConfigureAwait(false);
            recovered = await database.FingerprintAsync(cancellationToken).ConfigureAwait(false);
            return Describe(recovered);
        }).ConfigureAwait(false);

        var equal = recovered == expected;
        output.WriteLine(equal
            ? $"PROVED: every row of that moment is back, hash {recovered.Hash} equals. {total.Elapsed.TotalSeconds:0.0} s in all."
            : $"FAILED: expected {Describe(expected)}, recovered {Describe(recovered)}.");
        return equal;
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync().ConfigureAwait(false);
        if (keep)
        {
            output.WriteLine($"Kept: {folder}");
        }
        else
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Describe(DemoFingerprint fingerprint) => string.Create(
        CultureInfo.InvariantCulture,
        $"{fingerprint.Accounts:N0} accounts, {fingerprint.Payments:N0} payments, hash {fingerprint.Hash[..8]}");

    private async Task StepAsync(string title, Func<Task<string>> step)
    {
        output.WriteLine($"- {title}");
        var watch = Stopwatch.StartNew();
        var outcome = await step().ConfigureAwait(false);
        foreach (var line in outcome.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            output.WriteLine($"    {line}");
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {watch.Elapsed.TotalSeconds:0.0} s"));
    }

    private Task<string> WalRusAsync(string[] arguments, CancellationToken cancellationToken) =>
        server.RunAsync(executable, arguments, TimeSpan.FromMinutes(5), environment, cancellationToken);

    private string ArchivingSettings() => string.Create(
        CultureInfo.InvariantCulture,
        $"""

         wal_level = replica
         archive_mode = on
         archive_command = '"{executable.Replace('\\', '/')}" wal-push "%p"'
         fsync = on
         """);

    /// <summary>
    /// The server's account may not be able to reach this executable (a checkout below /root), so it gets its own copy.
    /// </summary>
    private string CopyExecutable()
    {
        var own = Environment.ProcessPath ?? throw new InvalidOperationException("This process has no executable.");
        var copy = Path.Combine(folder, Path.GetFileName(own));
        File.Copy(own, copy);
        return copy;
    }

    private async Task GiveToServerAccountAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows() || Environment.UserName != "root")
        {
            return;
        }

        using var chown = Process.Start("chown", ["-R", "postgres:", folder]);
        await chown.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        if (chown.ExitCode != 0)
        {
            throw new WalRusException(
                ErrorCode.FileAccessDenied,
                "The demonstration runs as root, and PostgreSQL refuses to; it needs the account 'postgres'.",
                "Make the account (useradd -r postgres) or run the demonstration as another user.");
        }
    }
}
