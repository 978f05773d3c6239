using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Retention;
using WalRus.Storage;
using WalRus.Tests.Faults;

namespace WalRus.Tests.Retention;

/// <summary>
/// Random archives, random policies and deletes, half of them broken off in the middle of a batch: what the model says must
/// be there is there, at the break and at the end. WALRUS_TEST_ARCHIVES sets how many; a failure names its seed.
/// </summary>
public sealed class RetentionPropertyTests
{
    private static readonly int Archives =
        int.Parse(Environment.GetEnvironmentVariable("WALRUS_TEST_ARCHIVES") ?? "20", CultureInfo.InvariantCulture);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("policy")]
    [InlineData("before")]
    [InlineData("garbage")]
    [InlineData("target")]
    public async Task Whatever_is_deleted_each_backup_that_stays_is_whole_and_nothing_that_should_stay_is_gone(string kind)
    {
        var first = Environment.TickCount & 0xFFFFFF;
        long deleted = 0;
        for (var seed = first; seed < first + Archives; seed++)
        {
            using var archive = new RandomArchive(seed, 20 + (seed % 70));
            try
            {
                deleted += await RunAsync(kind, archive, new Random(seed));
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                throw new InvalidOperationException($"{kind}, seed {seed}: {failure.Message}", failure);
            }
        }

        Assert.True(deleted > Archives, $"only {deleted} objects were deleted, seeds from {first}");
    }

    private static async Task<int> RunAsync(string kind, RandomArchive archive, Random random)
    {
        if (archive.Backups.Count == 0)
        {
            return 0;
        }

        var damaged = random.Next(5) == 0 ? archive.Damage() : null;
        var before = archive.Keys();
        var request = Request.Make(kind, archive, damaged, random);
        if (random.Next(2) == 0)
        {
            await RunUntilCrashAsync(archive, request, random);
            request.Check(before, archive.Keys());
        }

        await RunToEndAsync(archive, request, archive.Archive.Store);
        var after = archive.Keys();
        request.Check(before, after);
        Assert.Equal(0, await RunToEndAsync(archive, request, archive.Archive.Store));
        Assert.Equal(after.Order(), archive.Keys().Order());
        await RemoveRemainsAsync(archive);
        request.CheckEnd(archive.Keys());
        return before.Count - after.Count;
    }

    /// <summary>The machine dies in the middle of one of the first deletes, if there are so many.</summary>
    private static async Task RunUntilCrashAsync(RandomArchive archive, Request request, Random random)
    {
        var left = random.Next(4);
        var store = new FaultyObjectStore(archive.Archive.Store, async (call, keys, _) =>
        {
            if (call == StoreCall.Delete && left-- <= 0)
            {
                var some = keys.Split(' ').Where(_ => random.Next(2) == 0).Select(ObjectKey.Parse).ToList();
                await archive.Archive.Store.DeleteAsync(some, Cancel);
                throw new WalRusException(ErrorCode.StoreFailed, "the machine lost its power");
            }
        });
        try
        {
            await RunToEndAsync(archive, request, store);
        }
        catch (WalRusException crash) when (crash.Code == ErrorCode.StoreFailed)
        {
            // As the script says.
        }
    }

    /// <returns>How many objects were deleted.</returns>
    private static async Task<int> RunToEndAsync(RandomArchive archive, Request request, IObjectStore store)
    {
        var seen = archive.Archive with { Store = store };
        var planner = new DeletionPlanner(seen, new DeletionOptions { Time = new Clock(archive.Now) }, NullEventLog.Instance);
        var plan = await request.PlanAsync(planner, await planner.ReadAsync(Cancel));
        var deletion = new ArchiveDeletion(seen, NullEventLog.Instance);
        using var spool = await deletion.SpoolAsync(plan, Cancel);
        var count = 0;
        await foreach (var item in deletion.RunAsync(spool, Cancel))
        {
            Assert.Null(item.Failure);
            count++;
        }

        return count;
    }

    /// <summary>What a broken-off delete left of a young backup looks like one being written, until it is young no more.</summary>
    private static async Task RemoveRemainsAsync(RandomArchive archive)
    {
        var later = new DeletionOptions { Time = new Clock(archive.Now.AddHours(25)) };
        var planner = new DeletionPlanner(archive.Archive, later, NullEventLog.Instance);
        var plan = planner.PlanGarbage(await planner.ReadAsync(Cancel), GarbageScope.Backups, withoutBackupCheck: false);
        var deletion = new ArchiveDeletion(archive.Archive, NullEventLog.Instance);
        using var spool = await deletion.SpoolAsync(plan, Cancel);
        await foreach (var item in deletion.RunAsync(spool, Cancel))
        {
            Assert.Null(item.Failure);
        }
    }

    private sealed class Clock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
