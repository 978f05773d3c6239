using WalRus.Postgres;

namespace WalRus.Retention;

/// <summary>
/// How large the archive's segments are, told by its backups alone: who deletes need not hold the key of encrypted WAL.
/// </summary>
internal static class SegmentSizeOfBackups
{
    /// <summary>
    /// A start LSN in a segment with a number above 0 fits one size only. Where nothing tells, the smallest size that
    /// fits: a name then covers the least WAL, and the most names are kept.
    /// </summary>
    public static WalSegmentSize Find(IEnumerable<ArchivedBackup> backups)
    {
        var fitting = Sizes().ToList();
        foreach (var backup in backups.Where(backup => backup.StartLsn.IsValid))
        {
            // Of conflicting ones (a foreign backup, a damaged document) the first are believed.
            var left = fitting.Where(size => Fits(backup, size)).ToList();
            fitting = left.Count > 0 ? left : fitting;
        }

        return fitting.Count == Sizes().Count() ? WalSegmentSize.Default : fitting[0];
    }

    private static IEnumerable<WalSegmentSize> Sizes()
    {
        for (var bytes = 1 << 20; bytes <= 1 << 30; bytes <<= 1)
        {
            yield return WalSegmentSize.FromBytes(bytes);
            if (bytes == 1 << 30)
            {
                yield break;
            }
        }
    }

    /// <summary>A standby's backup is named by the segment of the byte before its start.</summary>
    private static bool Fits(ArchivedBackup backup, WalSegmentSize size) =>
        WalFileName.FromLsn(backup.Timeline, backup.StartLsn, size) == backup.Name.StartSegment
        || WalFileName.FromLsn(backup.Timeline, new Lsn(backup.StartLsn.Value - 1), size) == backup.Name.StartSegment;
}
