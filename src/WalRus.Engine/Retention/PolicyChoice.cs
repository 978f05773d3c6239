using System.Globalization;

namespace WalRus.Retention;

/// <summary>A policy's rules applied to the backups of an archive: a pure function of both and the time.</summary>
internal sealed class PolicyChoice
{
    private readonly Dictionary<ArchivedBackup, BackupDecision> kept = [];
    private readonly BackupInventory inventory;

    /// <summary>Newest first.</summary>
    private readonly List<ArchivedBackup> candidates;

    public PolicyChoice(BackupInventory inventory, RetentionPolicy policy, DateTimeOffset now)
    {
        policy.Validate();
        this.inventory = inventory;
        candidates = [.. inventory.Backups
            .Where(backup => !backup.IsPermanent && inventory.IsRestorable(backup))
            .OrderByDescending(backup => backup.Time).ThenByDescending(backup => backup.Name)];
        KeepNewest(policy.Last ?? 0, RetentionRule.KeepLast, "newest");
        if (policy.For is { } age)
        {
            foreach (var backup in candidates.Where(backup => backup.Time >= now - age))
            {
                Keep(backup, RetentionRule.KeepFor, $"it is not older than {age}");
            }
        }

        KeepPeriods(policy.Daily, RetentionRule.KeepDaily, local => $"{local:yyyy-MM-dd}");
        KeepPeriods(policy.Weekly, RetentionRule.KeepWeekly, local => $"{ISOWeek.GetYear(local):0000}-W{ISOWeek.GetWeekOfYear(local):00}");
        KeepPeriods(policy.Monthly, RetentionRule.KeepMonthly, local => $"{local:yyyy-MM}");
        KeepPeriods(policy.Yearly, RetentionRule.KeepYearly, local => $"{local:yyyy}");
        if (kept.Count < policy.MinimumCount)
        {
            KeepNewest(policy.MinimumCount, RetentionRule.MinimumCount, "newest that must stay in any case");
        }

        void KeepPeriods(int? count, RetentionRule rule, Func<DateTime, FormattableString> period)
        {
            var seen = new HashSet<string>();
            foreach (var backup in candidates)
            {
                var name = FormattableString.Invariant(period(TimeZoneInfo.ConvertTime(backup.Time, policy.TimeZone).DateTime));
                if (seen.Count < (count ?? 0) && seen.Add(name))
                {
                    Keep(backup, rule, $"it is the newest of {name}");
                }
            }
        }
    }

    /// <summary>Those that rules keep.</summary>
    public IEnumerable<ArchivedBackup> Kept => kept.Keys;

    /// <summary>Keeps one more; the first rule that keeps a backup is the one named.</summary>
    public void Keep(ArchivedBackup backup, RetentionRule rule, string why) =>
        kept.TryAdd(backup, new BackupDecision(backup, true, rule, why));

    public BackupDecision Of(ArchivedBackup backup) =>
        kept.GetValueOrDefault(backup)
        ?? (inventory.IsRestorable(backup)
            ? new BackupDecision(backup, false, RetentionRule.Obsolete, "no rule keeps it")
            : new BackupDecision(backup, true, RetentionRule.NotRestorable, "a backup it is based on is missing: it counts for nothing"));

    private void KeepNewest(int count, RetentionRule rule, string what)
    {
        foreach (var backup in candidates.Take(count))
        {
            Keep(backup, rule, string.Create(CultureInfo.InvariantCulture, $"it is of the {count} {what}"));
        }
    }
}
