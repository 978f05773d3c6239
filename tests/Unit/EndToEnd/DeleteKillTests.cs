using WalRus.Tests.Retention;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// kill -9 at random moments of delete: whatever is listed afterwards is whole, what should stay is there, and the next try
/// deletes the rest. WALRUS_TEST_KILLS sets how many for each store.
/// </summary>
public sealed class DeleteKillTests
{
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

        // From the last line of its plan on it deletes.
        const string planLine = "marked for deletion";
        var planned = (await WalRusProgram.RunAsync(arguments[..^1], environment)).Errors.Split(planLine).Length - 1;
        var moments = new KillMoments(3) { Since = (planLine, planned) };
        await moments.MeasureAsync(arguments, environment);
        var done = (await place.KeysAsync()).ToHashSet();
        Assert.True(done.Count < archive.Keys().Count - 20);

        var (early, middle) = (0, 0);
        while (moments.Next())
        {
            await place.FillAsync(archive.Folder);
            await moments.KillAsync(arguments, environment);
            var left = await LeftAsync();
            early += left.Count == archive.Keys().Count ? 1 : 0;
            middle += left.Count > done.Count && left.Count < archive.Keys().Count ? 1 : 0;
            await FinishAsync();
        }

        moments.Report($"delete in a {kind}, {early} before the first object went, {middle} in the middle");
        if (!OperatingSystem.IsWindows())
        {
            await place.FillAsync(archive.Folder);
            var stopped = await WalRusProgram.RunAndSignalAsync("TERM", (planLine, planned), environment, arguments);
            // The signal may come too late; what it stops is not to be taken for done.
            Assert.True(stopped.ExitCode == 0 || stopped.Errors.Contains("Stopped by a signal", StringComparison.Ordinal), stopped.Errors);
            Assert.True((await LeftAsync()).SetEquals(done) || stopped.ExitCode == 1, stopped.Errors);
            await FinishAsync();
        }

        async Task<HashSet<string>> LeftAsync()
        {
            var left = (await place.KeysAsync()).ToHashSet();
            Assert.True(left.IsSupersetOf(done), $"{moments.Where}: what should stay is gone");
            foreach (var backup in archive.Backups.Where(backup => RandomArchive.IsListed(backup, left)))
            {
                Assert.True(RandomArchive.IsWhole(backup, left), $"{moments.Where}: {backup} is listed and not whole");
                Assert.All(archive.NeededBy(backup), key => Assert.Contains(key, left));
            }

            return left;
        }

        async Task FinishAsync()
        {
            await WalRusProgram.SucceedAsync(environment, arguments);
            Assert.Equal(done.Order(StringComparer.Ordinal), (await place.KeysAsync()).Order(StringComparer.Ordinal));
        }
    }
}
