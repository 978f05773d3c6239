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
        int.Parse(Environment.GetEnvironmentVariable("WALRUS_TEST_KILLS") ?? "4", CultureInfo.InvariantCulture);

    private readonly int seed = Environment.TickCount;

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_delete_that_is_killed_breaks_no_backup_and_the_next_one_finishes(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        using var archive = new RandomArchive(4, 40);
        var spared = archive.Backups.Last(backup => backup.Parent is null);
        Assert.Contains(archive.Backups, backup => backup.Parent is not null);

        // At once, not after a day, what a killed try left counts as left.
        var environment = new Dictionary<string, string>(place.Settings) { ["WALRUS_UNFINISHED_BACKUP_AGE"] = "0s" };
        string[] arguments = ["delete", "before", spared.Name.ToString(), "--confirm"];
        await place.FillAsync(archive.Folder);
        var watch = Stopwatch.StartNew();
        await WalRusProgram.SucceedAsync(environment, arguments);
        var usual = watch.Elapsed;
        var done = (await place.KeysAsync()).ToHashSet();
        Assert.True(done.Count < archive.Keys().Count - 20);

        var random = new Random(seed);
        var (early, middle) = (0, 0);
        for (var i = 0; i < Kills; i++)
        {
            await place.FillAsync(archive.Folder);
            await WalRusProgram.RunAndKillAsync(arguments, environment, usual * (0.3 + (0.7 * random.NextDouble())));
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
}
