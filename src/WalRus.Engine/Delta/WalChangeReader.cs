using WalRus.Postgres;

namespace WalRus.Delta;

/// <summary>Reads what records change: what the sidecars' recording and the map have in common.</summary>
/// <param name="takeBlock">Called for each block, of any fork.</param>
/// <param name="takeFile">Called for each file that is another from then on, where that is more than blocks tell.</param>
internal sealed class WalChangeReader(Action<WalBlockReference> takeBlock, Action<WalFileChange> takeFile)
{
    /// <summary>The longest record of files that is read: one that removes a million relations.</summary>
    public const int MaxBodyBytes = 16 << 20;

    private readonly WalRecordContent content = new();
    private readonly Action<WalFileChange> takeIfItMatters = change =>
    {
        if (Matters(change))
        {
            takeFile(change);
        }
    };

    /// <summary>How much of a record's body this needs.</summary>
    public static int BytesWanted(WalRecordHeader header) =>
        Math.Max(WalRecordContent.HeaderBytes, WalFileChangeDecoder.BytesWanted(header));

    /// <returns>Null, or why nobody may rely on what the WAL tells.</returns>
    public string? Read(in WalRecord record)
    {
        if (!content.TryRead(record) || !WalFileChangeDecoder.TryDecode(record, content.DataOffset, takeIfItMatters))
        {
            return $"the record at {record.Start} is of no known form";
        }

        foreach (var block in content.Blocks)
        {
            takeBlock(block);
        }

        return WalFileChangeDecoder.EndsCompleteWal(record, content.DataOffset)
            ? $"the server was started with wal_level = minimal at {record.Start}"
            : null;
    }

    /// <summary>
    /// What was removed is not there any more; if its name comes back, the record that makes it tells. A database that is
    /// made with records has one for each of its files.
    /// </summary>
    private static bool Matters(WalFileChange change) => change.Kind switch
    {
        WalFileChangeKind.Created or WalFileChangeKind.Truncated => change.Fork == 0,
        WalFileChangeKind.DatabaseCopied => true,
        _ => false,
    };
}
