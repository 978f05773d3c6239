namespace WalRus.Archiving;

/// <summary>Whether deltas have all their parents, from what a listing of the archive gave: no document is read.</summary>
/// <param name="backups">Every backup of the archive that can be read.</param>
public sealed class BackupChains(IEnumerable<BackupDetail> backups)
{
    /// <summary>wal-rus nests names, wal-g does not bound a chain; longer than this it can only be a circle.</summary>
    public const int MaxLength = 1024;

    private readonly Dictionary<string, BackupDetail> all = backups.ToDictionary(backup => backup.Name.ToString(), StringComparer.Ordinal);

    /// <summary>The chain of a backup, the full one first; null when it is not whole.</summary>
    /// <param name="backup">A full backup is a chain of one.</param>
    /// <param name="problem">Why it is not whole, for people.</param>
    public IReadOnlyList<BackupDetail>? Of(BackupDetail backup, out string? problem)
    {
        var chain = new List<BackupDetail> { backup };
        problem = null;
        while (problem is null && chain[^1].DeltaFrom is { } parentName)
        {
            if (all.GetValueOrDefault(parentName) is not { } parent)
            {
                problem = parentName.Length == 0
                    ? $"'{chain[^1].Name}' is a catchup backup, which has no full one"
                    : $"'{chain[^1].Name}' is a delta of '{parentName}', which the archive does not hold or cannot be read";
            }
            else if (chain.Count > MaxLength || chain.Contains(parent))
            {
                problem = $"its chain comes back to '{parentName}'";
            }
            else
            {
                problem = Difference(chain[^1], parent);
                chain.Add(parent);
            }
        }

        chain.Reverse();
        return problem is null ? chain : null;
    }

    /// <summary>Why a backup is not the parent that a delta names, or null.</summary>
    internal static string? Difference(BackupDetail delta, BackupDetail parent)
    {
        string NotMade(string difference) =>
            $"'{delta.Name}' was not made from the '{parent.Name}' that the archive holds now: {difference}";

        // Names are unique only a start segment: on a standby a later backup can take the name of an earlier one.
        if (parent.StartLsn.IsValid && delta.DeltaFromLsn is { IsValid: true } from && from != parent.StartLsn)
        {
            return NotMade($"it starts at {parent.StartLsn}, the delta's pages at {from}");
        }

        return parent.SystemIdentifier is { } here && delta.SystemIdentifier is { } there && here != there
            ? NotMade($"its cluster is {here}, the delta's {there}")
            : null;
    }
}
