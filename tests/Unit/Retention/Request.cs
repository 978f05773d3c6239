using WalRus.Postgres;
using WalRus.Retention;
using WalRus.WalG;

namespace WalRus.Tests.Retention;

/// <summary>Something asked of retention, with what the model of the archive says about it.</summary>
internal abstract class Request(RandomArchive archive, ModelBackup? damaged)
{
    private static readonly TimeSpan Young = TimeSpan.FromDays(1);

    protected RandomArchive Archive => archive;

    public static Request Make(string kind, RandomArchive archive, ModelBackup? damaged, Random random) => kind switch
    {
        "policy" => new PolicyRequest(archive, damaged, random),
        "before" => new BeforeRequest(archive, damaged, random),
        "garbage" => new GarbageRequest(archive, damaged, random),
        _ => new TargetRequest(archive, damaged, random),
    };

    public abstract Task<DeletionPlan> PlanAsync(DeletionPlanner planner, BackupInventory inventory);

    /// <summary>What must hold at every moment.</summary>
    public void Check(HashSet<string> before, HashSet<string> after)
    {
        Assert.Subset(before, after);
        Assert.All(before.Where(key => key.EndsWith(".history", StringComparison.Ordinal) || IsForeign(key)), key => Assert.Contains(key, after));
        foreach (var backup in archive.Backups)
        {
            if (RandomArchive.IsListed(backup, after))
            {
                Assert.True(RandomArchive.IsWhole(backup, after), $"{backup} is listed and not whole");
                Assert.All(archive.NeededBy(backup), key => Assert.True(after.Contains(key), $"{backup} needs {key}"));
            }
            else
            {
                Assert.False(backup.IsPermanent && backup != damaged, $"{backup} is permanent and gone");
                Assert.True(MayGo(backup), $"{backup} is gone");
            }
        }

        foreach (var (name, newest) in archive.Remains.Where(remains => remains.Newest > archive.Now - Young))
        {
            Assert.Contains($"basebackups_005/{name}/tar_partitions/part_001.tar", after);
            Assert.All(From(name.StartSegment), segment => Assert.True(after.Contains($"wal_005/{segment}"), $"{name}, being written, needs {segment}"));
        }

        CheckRecovery(before, after);
    }

    /// <summary>What is not listed any more is gone whole.</summary>
    public void CheckEnd(HashSet<string> after)
    {
        foreach (var backup in archive.Backups.Where(backup => !RandomArchive.IsListed(backup, after)))
        {
            Assert.All(backup.Keys, key => Assert.DoesNotContain(key, after));
        }
    }

    protected abstract bool MayGo(ModelBackup backup);

    protected abstract void CheckRecovery(HashSet<string> before, HashSet<string> after);

    /// <summary>Backups a rule may count: not permanent, and their whole chain can be read. Newest first.</summary>
    protected List<ModelBackup> Counted() => [.. Restorable().Where(backup => !backup.IsPermanent)];

    protected IEnumerable<ModelBackup> Restorable() => archive.Backups.Where(IsReadable).OrderByDescending(backup => backup.Time);

    protected void CheckReplay(IEnumerable<ModelBackup> backups, HashSet<string> before, HashSet<string> after)
    {
        foreach (var backup in backups)
        {
            var lost = archive.RecoverableFrom(backup, before).Except(archive.RecoverableFrom(backup, after)).ToList();
            Assert.True(lost.Count == 0, $"replay from {backup} got to {lost.FirstOrDefault()}");
        }
    }

    protected bool Unread(ModelBackup backup) => backup == damaged;

    private IEnumerable<WalFileName> From(WalFileName first) =>
        archive.Segments.Select(segment => segment.Name).Where(name => name.Timeline == first.Timeline && name >= first);

    private bool IsReadable(ModelBackup backup) => backup != damaged && (backup.Parent is null || IsReadable(backup.Parent));

    private static bool IsForeign(string key) => key.StartsWith("elsewhere/", StringComparison.Ordinal)
        || key is "wal_005/README" or "wal_005/000000010000000000000001.zip" or "basebackups_005/notes.txt";
}

internal sealed class PolicyRequest : Request
{
    private readonly RetentionPolicy policy;

    public PolicyRequest(RandomArchive archive, ModelBackup? damaged, Random random)
        : base(archive, damaged)
    {
        TimeZoneInfo[] zones = [TimeZoneInfo.Utc, TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"), TimeZoneInfo.FindSystemTimeZoneById("America/Los_Angeles")];
        policy = new RetentionPolicy
        {
            Last = random.Next(3) == 0 ? null : random.Next(5),
            For = random.Next(2) == 0 ? null : TimeSpan.FromHours(random.Next(400)),
            Daily = random.Next(2) == 0 ? null : random.Next(6),
            Weekly = random.Next(2) == 0 ? null : random.Next(4),
            Monthly = random.Next(2) == 0 ? null : random.Next(3),
            Yearly = random.Next(2),
            MinimumCount = random.Next(1, 4),
            PointInTimeWindow = random.Next(3) == 0 ? null : TimeSpan.FromHours(random.Next(300)),
            TimeZone = zones[random.Next(zones.Length)],
        };
    }

    public override Task<DeletionPlan> PlanAsync(DeletionPlanner planner, BackupInventory inventory) =>
        planner.PlanPolicyAsync(inventory, policy, TestContext.Current.CancellationToken);

    protected override bool MayGo(ModelBackup backup) => !Unread(backup) && Counted().Contains(backup) && !Kept().Contains(backup);

    protected override void CheckRecovery(HashSet<string> before, HashSet<string> after)
    {
        var left = Counted().Count(backup => RandomArchive.IsListed(backup, after));
        Assert.True(left >= Math.Min(policy.MinimumCount, Counted().Count), $"{left} backups are left");
        if (policy.PointInTimeWindow is not { } window)
        {
            CheckReplay(Kept(), before, after);
            return;
        }

        var since = Archive.Now - window;
        var possible = Reach(before);
        possible.ExceptWith(Reach(after));
        var lost = Archive.Segments.FirstOrDefault(segment => segment.Written >= since && possible.Contains(segment.Name));
        Assert.True(lost == default, $"{lost} of the window cannot be recovered any more");

        HashSet<WalFileName> Reach(HashSet<string> keys) =>
            [.. Restorable().Where(backup => RandomArchive.IsWhole(backup, keys)).SelectMany(backup => Archive.RecoverableFrom(backup, keys))];
    }

    /// <summary>What the rules keep, said otherwise than the engine says it.</summary>
    private HashSet<ModelBackup> Kept()
    {
        var newest = Counted();
        return
        [
            .. newest.Take(policy.Last ?? 0),
            .. newest.Where(backup => Archive.Now - backup.Time <= policy.For),
            .. Newest(policy.Daily, time => time.Date),
            .. Newest(policy.Weekly, time => time.Date.AddDays(-(((int)time.DayOfWeek + 6) % 7))),
            .. Newest(policy.Monthly, time => new DateTime(time.Year, time.Month, 1)),
            .. Newest(policy.Yearly, time => new DateTime(time.Year, 1, 1)),
        ];

        IEnumerable<ModelBackup> Newest(int? count, Func<DateTime, DateTime> period) => newest
            .GroupBy(backup => period(TimeZoneInfo.ConvertTime(backup.Time, policy.TimeZone).DateTime))
            .OrderByDescending(group => group.Key).Take(count ?? 0)
            .Select(group => group.MaxBy(backup => backup.Time)!);
    }
}

internal sealed class BeforeRequest : Request
{
    private readonly ModelBackup? target;

    public BeforeRequest(RandomArchive archive, ModelBackup? damaged, Random random)
        : base(archive, damaged)
    {
        var full = Restorable().Where(backup => backup.Parent is null).ToList();
        target = full.Count > 0 ? full[random.Next(full.Count)] : null;
    }

    public override Task<DeletionPlan> PlanAsync(DeletionPlanner planner, BackupInventory inventory) => Task.FromResult(
        target is null
            ? planner.PlanGarbage(inventory, GarbageScope.All, withoutBackupCheck: false)
            : planner.PlanBefore(inventory, inventory.Find(target.Name.ToString())!, default));

    protected override bool MayGo(ModelBackup backup) =>
        !Unread(backup) && target is not null && backup.Name.StartSegment < target.Name.StartSegment;

    protected override void CheckRecovery(HashSet<string> before, HashSet<string> after) => CheckReplay(
        Restorable().Where(backup => target is null || backup.Name.StartSegment >= target.Name.StartSegment), before, after);
}

internal sealed class GarbageRequest(RandomArchive archive, ModelBackup? damaged, Random random) : Request(archive, damaged)
{
    private readonly GarbageScope scope = (GarbageScope)random.Next(3);

    public override Task<DeletionPlan> PlanAsync(DeletionPlanner planner, BackupInventory inventory) =>
        Task.FromResult(planner.PlanGarbage(inventory, scope, withoutBackupCheck: false));

    protected override bool MayGo(ModelBackup backup) => false;

    protected override void CheckRecovery(HashSet<string> before, HashSet<string> after) => CheckReplay(Counted(), before, after);
}

internal sealed class TargetRequest : Request
{
    private readonly ModelBackup? target;

    public TargetRequest(RandomArchive archive, ModelBackup? damaged, Random random)
        : base(archive, damaged)
    {
        var possible = archive.Backups.Where(backup => WithDeltas(backup).All(one => !one.IsPermanent && !Unread(one))).ToList();
        target = possible.Count > 0 ? possible[random.Next(possible.Count)] : null;
    }

    public override async Task<DeletionPlan> PlanAsync(DeletionPlanner planner, BackupInventory inventory)
    {
        var selected = target is null ? null : inventory.Find(target.Name.ToString());
        return await planner.PlanBackupsAsync(inventory, selected is null ? [] : [selected], TestContext.Current.CancellationToken);
    }

    protected override bool MayGo(ModelBackup backup) => target is not null && WithDeltas(target).Contains(backup);

    protected override void CheckRecovery(HashSet<string> before, HashSet<string> after) =>
        CheckReplay(Restorable().Where(backup => !MayGo(backup)), before, after);

    private IEnumerable<ModelBackup> WithDeltas(ModelBackup backup) =>
        Archive.Backups.Where(other =>
        {
            var step = other;
            while (step is not null && step != backup)
            {
                step = step.Parent;
            }

            return step is not null;
        });
}
