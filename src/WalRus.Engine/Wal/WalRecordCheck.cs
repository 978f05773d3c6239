using WalRus.Postgres;

namespace WalRus.Wal;

/// <summary>
/// Reads the records of a segment as its bytes come, where no codec tells damage: PostgreSQL would take a broken record for
/// the end of the WAL, and open without what follows. The last record is known only as far as it lies in the segment.
/// </summary>
/// <param name="start">The segment's first byte.</param>
internal sealed class WalRecordCheck(Lsn start)
{
    private readonly WalRecordReader records = new(start);

    /// <summary>Why replay would not get through the segment; null as long as it would.</summary>
    public string? Problem { get; private set; }

    public void Take(ReadOnlySpan<byte> bytes)
    {
        WalReadState state;
        while (Problem is null && (state = records.Read(ref bytes)) != WalReadState.NeedsBytes)
        {
            Problem = state == WalReadState.End ? $"replay would end at {records.Position}: {records.EndReason}" : null;
        }
    }
}
