using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>The few restore points or transactions that come nearest to a target that is not there.</summary>
internal sealed class NearbyTargets(RecoveryTarget target)
{
    private const int NamesKept = 5;

    private readonly List<WalFact> points = [];
    private WalFact? below;
    private WalFact? above;

    /// <summary>In WAL order, for people; empty when there is none.</summary>
    public string Text => string.Join(", ", (target.Name is not null ? points : new[] { below, above }.OfType<WalFact>())
        .OrderBy(fact => fact.Lsn)
        .Select(fact => $"{(target.Name is not null ? $"'{fact.Name}'" : $"transaction {fact.Xid}")} ({RecoveryText.Of(fact)})"));

    public void Take(WalFact fact)
    {
        if (target.Name is not null)
        {
            if (fact.Kind == WalFactKind.RestorePoint)
            {
                points.Add(fact);
                DropTheLeastLike();
            }
        }
        else if (fact is { IsTransactionEnd: true, Xid: { } xid })
        {
            var wanted = unchecked((uint)target.Xid!.Value);
            var distance = unchecked((int)(xid - wanted));
            below = distance < 0 && (below is null || distance > unchecked((int)(below.Xid!.Value - wanted))) ? fact : below;
            above = distance > 0 && (above is null || distance < unchecked((int)(above.Xid!.Value - wanted))) ? fact : above;
        }
    }

    /// <summary>Names that hold the wanted one, or are held by it, stay longest; then the newest.</summary>
    private void DropTheLeastLike()
    {
        if (points.Count > NamesKept)
        {
            points.Remove(points.OrderBy(IsAlike).ThenBy(point => point.Lsn).First());
        }
    }

    private bool IsAlike(WalFact point) =>
        point.Name!.Contains(target.Name!, StringComparison.OrdinalIgnoreCase)
        || (point.Name.Length > 0 && target.Name!.Contains(point.Name, StringComparison.OrdinalIgnoreCase));
}
