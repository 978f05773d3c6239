using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>One line of a plan: a backup, or a timeline's WAL that one rule keeps or drops.</summary>
public sealed record PlanLine
{
    /// <summary>Null for WAL.</summary>
    public ArchivedBackup? Backup { get; init; }

    /// <summary>For WAL its timeline; null for what is of none.</summary>
    public TimelineId? Timeline { get; init; }

    /// <summary>For WAL the lowest name among these objects.</summary>
    public string First { get; init; } = "";

    /// <summary>For WAL the highest.</summary>
    public string Last { get; init; } = "";

    public required bool Keeps { get; init; }

    public required RetentionRule Rule { get; init; }

    public required string Why { get; init; }

    public long ObjectCount { get; init; }

    public long SizeBytes { get; init; }
}

/// <summary>
/// A plan's objects, counted: a line for each backup and for each timeline and rule of the WAL, so memory does not grow
/// with the objects.
/// </summary>
public static class PlanSummary
{
    /// <param name="objects">All of the plan, those that stay too.</param>
    /// <param name="plan">Whose.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>Backups in wal-g's order, then WAL by timeline, what goes first.</returns>
    public static async Task<IReadOnlyList<PlanLine>> ReadAsync(
        DeletionPlan plan, IAsyncEnumerable<PlannedObject> objects, CancellationToken cancellationToken)
    {
        var backups = plan.Backups.ToDictionary(
            decision => decision.Backup,
            decision => new PlanLine
            {
                Backup = decision.Backup, Keeps = decision.Keeps, Rule = decision.Rule, Why = decision.Why,
            });
        var wal = new Dictionary<(TimelineId?, bool, RetentionRule), PlanLine>();
        await foreach (var item in objects.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (item.Backup is { } backup)
            {
                backups[backup] = Counted(backups[backup], item);
            }
            else
            {
                Add(wal, item);
            }
        }

        return
        [
            .. plan.Backups.Select(decision => backups[decision.Backup]),
            .. wal.Values.OrderBy(line => line.Timeline is null).ThenBy(line => line.Timeline).ThenBy(line => line.Keeps).ThenBy(line => line.Rule),
        ];
    }

    private static void Add(Dictionary<(TimelineId?, bool, RetentionRule), PlanLine> wal, in PlannedObject item)
    {
        var name = WalObjectName.Parse(item.Key.Name);
        var key = (name.Timeline, item.Keeps, item.Rule);
        var line = wal.GetValueOrDefault(key) ?? new PlanLine
        {
            Timeline = name.Timeline, First = name.FileName, Last = name.FileName, Keeps = item.Keeps, Rule = item.Rule, Why = item.Why,
        };
        wal[key] = Counted(line, item) with
        {
            First = string.CompareOrdinal(name.FileName, line.First) < 0 ? name.FileName : line.First,
            Last = string.CompareOrdinal(name.FileName, line.Last) > 0 ? name.FileName : line.Last,
        };
    }

    private static PlanLine Counted(PlanLine line, in PlannedObject item) =>
        line with { ObjectCount = line.ObjectCount + 1, SizeBytes = line.SizeBytes + item.SizeBytes };
}
