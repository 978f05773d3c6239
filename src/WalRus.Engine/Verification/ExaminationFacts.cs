using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>What is known of an archive before its objects are read one by one.</summary>
internal sealed class ExaminationFacts
{
    private readonly Dictionary<TimelineId, TimelineHistory?> histories;

    private ExaminationFacts(WalCoverage? coverage, ulong? systemIdentifier, Dictionary<TimelineId, TimelineHistory?> histories)
    {
        Coverage = coverage;
        SystemIdentifier = systemIdentifier;
        this.histories = histories;
    }

    /// <summary>Null when the archive holds no WAL.</summary>
    public WalCoverage? Coverage { get; }

    /// <summary>The archive's cluster; null where nothing tells.</summary>
    public ulong? SystemIdentifier { get; }

    public IEnumerable<TimelineId> Timelines => histories.Keys;

    public static async Task<ExaminationFacts> ReadAsync(Archive archive, WalSegmentSize assumed, CancellationToken cancellationToken)
    {
        var wal = new WalCatalog(archive);
        var coverage = await WalCoverage.ReadAsync(wal, assumed, cancellationToken).ConfigureAwait(false);
        var histories = new Dictionary<TimelineId, TimelineHistory?>();
        foreach (var range in coverage?.Ranges ?? [])
        {
            histories[range.Timeline] = await ReadHistoryAsync(wal, range.Timeline, cancellationToken).ConfigureAwait(false);
        }

        ulong? identifier = null;
        try
        {
            identifier = await ArchiveIdentity.FindAsync(archive, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (IsDamage(damaged))
        {
            // The object is a finding of its own when its turn comes.
        }

        return new ExaminationFacts(coverage, identifier, histories);
    }

    /// <summary>True for what says that an object is damaged, false for a store that cannot be read now.</summary>
    public static bool IsDamage(WalRusException failure) => failure.Code is ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed
        or ErrorCode.CodecUnknown or ErrorCode.BackupUnreadable or ErrorCode.BackupIncomplete or ErrorCode.DataDirectoryInvalid
        or ErrorCode.PathEscapesDestination;

    /// <summary>Null where the archive does not hold it or it cannot be read.</summary>
    public TimelineHistory? History(TimelineId timeline) => histories.GetValueOrDefault(timeline);

    /// <summary>Whether every segment of a range is there.</summary>
    public bool Has(TimelineId timeline, ulong first, ulong last) =>
        Coverage?.AtOrBelow(timeline, last) is { } run && run.Contains(first) && run.Contains(last);

    /// <summary>A finding for each run of segments that is missing between others.</summary>
    public IEnumerable<ArchiveFinding> GapsOf(TimelineId timeline)
    {
        if (Coverage is not { } coverage)
        {
            yield break;
        }

        // A timeline's first segment is missing when the one before it is there, on the timeline it came from.
        var begin = History(timeline) is { Switches: { Count: > 0 } switches } ? switches[^1] : default;
        var beginning = coverage.Size.SegmentNumber(begin.SwitchPoint);
        ulong? next = beginning > 0 && Has(begin.Timeline, beginning - 1, beginning - 1) ? beginning : null;
        foreach (var run in coverage.Of(timeline))
        {
            if (next is { } first && first < run.First)
            {
                yield return ArchiveFinding.Missing(
                    WalFileName.FromSegment(timeline, first, coverage.Size),
                    $"{run.First - first} segments are missing, up to {WalFileName.FromSegment(timeline, run.First - 1, coverage.Size)}.");
            }

            next = run.Last + 1;
        }
    }

    private static async Task<TimelineHistory?> ReadHistoryAsync(WalCatalog wal, TimelineId timeline, CancellationToken cancellationToken)
    {
        try
        {
            return await wal.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (IsDamage(damaged))
        {
            return null;
        }
    }
}
