using System.Text.Json;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// An encrypted archive with one backup and WAL behind it, which tests damage copies of. A wrong command is run as an
/// operator would, and must say a code, a hint where there is a next step, and nothing of a stack.
/// </summary>
public sealed class BadInputArchive : IAsyncLifetime
{
    private const string Key = "4bb7565dc495db165ec1e274412b1b5ee2714afbd2f5237e2faac163dadccb44";
    private ArchivedCluster archived = null!;

    /// <summary>The settings of the whole archive, with the server's.</summary>
    internal IReadOnlyDictionary<string, string> Settings => archived.Environment;

    internal PostgresCluster Cluster => archived.Cluster;

    /// <summary>The backup's name.</summary>
    public string Backup { get; private set; } = "";

    /// <summary>Archived segments that follow the backup; replay to <see cref="LastLsn"/> needs all of them.</summary>
    public IReadOnlyList<string> Segments { get; private set; } = [];

    /// <summary>A position in the last archived segment.</summary>
    public string LastLsn { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        archived = await ArchivedCluster.StartAsync(15, more: new Dictionary<string, string>
        {
            ["WALG_LIBSODIUM_KEY"] = Key,
            ["WALG_LIBSODIUM_KEY_TRANSFORM"] = "hex",
        });
        await archived.WalRusAsync("backup-push", Cluster.DataDirectory);
        var segments = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            await Cluster.ExecuteAsync($"CREATE TABLE t{i} AS SELECT generate_series(1, 100) AS n");
            LastLsn = await Cluster.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text");
            segments.Add(await Cluster.SwitchWalAsync());
        }

        Segments = segments;
        Backup = Path.GetFileName(Directory.GetDirectories(Path.Combine(archived.ArchiveFolder, "basebackups_005")).Single());
    }

    public ValueTask DisposeAsync() => archived?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>Copies the archive into a test's own folder.</summary>
    /// <returns>The settings that name the copy.</returns>
    internal async Task<Dictionary<string, string>> CopyAsync(TemporaryFolder folder)
    {
        var from = archived.ArchiveFolder;
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(folder["archive"], Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        return new Dictionary<string, string>(Settings) { ["WALG_FILE_PREFIX"] = folder["archive"] };
    }

    /// <summary>Runs a command that must fail with this code.</summary>
    /// <returns>Its error's message and hint.</returns>
    internal static async Task<string> FailsAsync(
        ErrorCode code, IReadOnlyDictionary<string, string> settings, params string[] arguments)
    {
        var result = await WalRusProgram.RunAsync([.. arguments, "--log-format", "json"], settings);
        Assert.Equal(code == ErrorCode.WalSegmentNotFound ? 74 : 1, result.ExitCode);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(Key, result.Errors + result.Output, StringComparison.Ordinal);
        var last = result.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Last(line => line.GetProperty("level").GetString() == "error");
        var hint = last.TryGetProperty("hint", out var said) ? said.GetString() : "";
        var text = $"{last.GetProperty("message").GetString()} {hint}";
        Assert.True(last.GetProperty("code").GetString() == code.ToString(), result.Errors);
        return text;
    }
}
