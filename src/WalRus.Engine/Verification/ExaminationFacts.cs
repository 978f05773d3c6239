using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>What is known of an archive before its objects are read one by one.</summary>
internal sealed class ExaminationFacts
{
    private readonly IReadOnlyList<ArchivedTimeline> timelines;

    private ExaminationFacts(IReadOnlyList<ArchivedTimeline> timelines, WalSegmentSize assumed, ulong? systemIdentifier)
    {
        this.timelines = timelines;
        Size = timelines.Count > 0 ? timelines[0].Size : assumed;
        SystemIdentifier = systemIdentifier;
    }

    /// <summary>The cluster's segment size, as far as it is known.</summary>
    public WalSegmentSize Size { get; }

    /// <summary>The archive's cluster; null where nothing tells.</summary>
    public ulong? SystemIdentifier { get; }

    /// <summary>Bytes stored in the WAL folder.</summary>
    public long WalBytes => timelines.Sum(timeline => timeline.SizeBytes);

    public static async Task<ExaminationFacts> ReadAsync(Archive archive, WalSegmentSize assumed, CancellationToken cancellationToken)
    {
        var timelines = await new TimelineSurvey(archive, assumed, NullEventLog.Instance)
            .RunAsync(withBackups: true, null, cancellationToken).ConfigureAwait(false);
        ulong? identifier = null;
        try
        {
            identifier = await ArchiveIdentity.FindAsync(archive, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (IsDamage(damaged))
        {
            // The object is a finding of its own when its turn comes.
        }

        return new ExaminationFacts(timelines, assumed, identifier);
    }

    /// <summary>True for what says that an object is damaged, false for a store that cannot be read now.</summary>
    public static bool IsDamage(WalRusException failure) => failure.Code is ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed
        or ErrorCode.CodecUnknown or ErrorCode.BackupUnreadable or ErrorCode.BackupIncomplete or ErrorCode.DataDirectoryInvalid
        or ErrorCode.PathEscapesDestination;

    /// <summary>Null where the archive does not hold it or it cannot be read.</summary>
    public TimelineHistory? History(TimelineId timeline) => Of(timeline)?.History;

    /// <summary>Whether a segment is there.</summary>
    public bool Has(TimelineId timeline, ulong number) =>
        Of(timeline) is { } found && WalCoverage.AtOrBelow(found.Runs, number)?.Contains(number) == true;

    /// <summary>What is missing: a finding for each run of segments, and for each history.</summary>
    public IEnumerable<ArchiveFinding> Missing()
    {
        foreach (var timeline in timelines.Where(timeline => timeline.Timeline.Value > 1 && timeline.History is null))
        {
            yield return new ArchiveFinding(
                FindingKind.HistoryDamaged, FindingSeverity.Error, timeline.Timeline.HistoryFileName,
                "It is missing or cannot be read: PostgreSQL does not recover to this timeline without it.");
        }

        foreach (var gap in MissingWal.Of(timelines))
        {
            yield return ArchiveFinding.Missing(gap.First, gap.Count == 1 ? "It is missing." : $"{gap.Count} segments are missing, up to {gap.Last}.");
        }
    }

    private ArchivedTimeline? Of(TimelineId timeline) => timelines.FirstOrDefault(candidate => candidate.Timeline == timeline);
}
