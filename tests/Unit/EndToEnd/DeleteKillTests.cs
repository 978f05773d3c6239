using System.Diagnostics;
using System.Globalization;
using WalRus.Tests.Retention;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// kill -9 at random moments of delete: whatever is listed afterwards is whole, what should stay is there, and the next try
/// deletes the rest. WALRUS_TEST_KILLS sets how many for each store; a failure names its seed.
/// </summary>
public sealed class DeleteKillTests
{
    private static readonly int Kills =
        int.Parse(Environment.GetEnvironmentVariable("WALRUS_TEST_KILLS") ?? "3", CultureInfo.InvariantCulture);

    private readonly int seed = Environment.TickCount;

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_delete_that_is_killed_breaks_no_backup_and_the_next_one_finishes(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        using var archive = new RandomArchive(4, kind == "folder" ? 150 : 40);
        var spared = archive.Backups.Last(backup => backup.Parent is null);
        Assert.Contains(archive.Backups, backup => backup.Parent is not null);

        // At once, not after a day, what a killed try left counts as left.
        var environment = new Dictionary<string, string>(place.Settings) { ["WALRUS_UNFINISHED_BACKUP_AGE"] = "0s" };
        string[] arguments = ["delete", "before", spared.Name.ToString(), "--confirm"];
        await place.FillAsync(archive.Folder);
        var (usual, killed) = await RunAsync(arguments, environment, Timeout.InfiniteTimeSpan);
        Assert.False(killed);
        var done = (await place.KeysAsync()).ToHashSet();
        Assert.True(done.Count < archive.Keys().Count - 20);

        var random = new Random(seed);
        var (early, middle) = (0, 0);
        for (var i = 0; i < Kills; i++)
        {
            await place.FillAsync(archive.Folder);
            await RunAsync(arguments, environment, usual * random.NextDouble());
            var left = (await place.KeysAsync()).ToHashSet();
            early += left.Count == archive.Keys().Count ? 1 : 0;
            middle += left.Count > done.Count && left.Count < archive.Keys().Count ? 1 : 0;
            Assert.True(left.IsSupersetOf(done), $"seed {seed}, kill {i}: what should stay is gone");
            foreach (var backup in archive.Backups.Where(backup => RandomArchive.IsListed(backup, left)))
            {
                Assert.True(RandomArchive.IsWhole(backup, left), $"seed {seed}, kill {i}: {backup} is listed and not whole");
                Assert.All(archive.NeededBy(backup), key => Assert.Contains(key, left));
            }

            await WalRusProgram.SucceedAsync(environment, arguments);
            Assert.Equal(done.Order(StringComparer.Ordinal), (await place.KeysAsync()).Order(StringComparer.Ordinal));
        }

        TestContext.Current.SendDiagnosticMessage($"{kind}: {Kills} kills, {early} before the first object went, {middle} in the middle");
    }

    /// <summary>Runs a delete and kills it so long after it began to delete: after the last line of its plan.</summary>
    /// <returns>How long deleting took.</returns>
    private static async Task<(TimeSpan Deleting, bool Killed)> RunAsync(
        string[] arguments, IReadOnlyDictionary<string, string> environment, TimeSpan after)
    {
        var planned = (await WalRusProgram.RunAsync(arguments[..^1], environment)).Errors.Split("marked for deletion").Length - 1;
        using var process = WalRusProgram.Start(arguments, environment);
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        for (var seen = 0; seen < planned;)
        {
            var line = await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken);
            Assert.NotNull(line);
            seen += line.Contains("marked for deletion", StringComparison.Ordinal) ? 1 : 0;
        }

        var watch = Stopwatch.StartNew();
        var rest = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        using var moment = new CancellationTokenSource(after);
        try
        {
            await process.WaitForExitAsync(moment.Token);
            Assert.True(process.ExitCode == 0, await rest);
            return (watch.Elapsed, false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (watch.Elapsed, true);
        }
    }
}
