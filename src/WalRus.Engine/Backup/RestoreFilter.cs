namespace WalRus.Backup;

/// <summary>What is wanted of a backup: everything, or what a mask or a choice of relations lets through.</summary>
/// <param name="mask">wal-g's mask; null for none.</param>
/// <param name="relations">By a file's safe relative name; null for none.</param>
internal sealed class RestoreFilter(RestoreMask? mask, Func<string, bool>? relations)
{
    /// <summary>The label files never pass a mask, as in wal-g.</summary>
    public bool Includes(string relative) =>
        (mask is null || (relative is not (TarExtractor.LabelFile or TarExtractor.MapFile) && mask.Matches(relative)))
            && (relations is null || relations(relative));
}
