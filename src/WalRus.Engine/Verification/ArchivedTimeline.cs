using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>What the archive holds of one timeline.</summary>
public sealed record ArchivedTimeline
{
    public required TimelineId Timeline { get; init; }

    /// <summary>Null when the archive does not hold it, or for <see cref="HistoryProblem"/>.</summary>
    public TimelineHistory? History { get; init; }

    /// <summary>Why the archived history cannot be read; null when there is none or it can.</summary>
    public WalRusException? HistoryProblem { get; init; }

    /// <summary>The segment size its WAL was written with.</summary>
    public required WalSegmentSize Size { get; init; }

    /// <summary>The segments with this timeline's name, as runs without a gap; empty where only backups are left of it.</summary>
    public required IReadOnlyList<WalRun> Runs { get; init; }

    /// <summary>Everything in the WAL folder with the timeline's name, sidecars and metadata too.</summary>
    public long ObjectCount { get; init; }

    /// <summary>Bytes stored in those.</summary>
    public long SizeBytes { get; init; }

    /// <summary>When the newest segment was stored; null without one.</summary>
    public DateTimeOffset? LastModified { get; init; }

    /// <summary>The backups taken on this timeline, newest first.</summary>
    public required IReadOnlyList<BackupDetail> Backups { get; init; }

    public WalFileName? First => Runs.Count == 0 ? null : Name(Runs[0].First);

    public WalFileName? Last => Runs.Count == 0 ? null : Name(Runs[^1].Last);

    /// <summary>Segments that are there.</summary>
    public ulong SegmentCount => Runs.Aggregate(0UL, (sum, run) => sum + (run.Last - run.First + 1));

    /// <summary>Segments from the first to the last, missing ones included.</summary>
    public ulong RangeSize => Runs.Count == 0 ? 0 : Runs[^1].Last - Runs[0].First + 1;

    /// <summary>True when there are segments and none between the first and the last is missing.</summary>
    public bool IsComplete => Runs.Count == 1;

    /// <summary>The runs that are missing, lowest first.</summary>
    public IEnumerable<WalGap> Gaps => Runs.Zip(Runs.Skip(1), (before, behind) =>
        new WalGap(Name(before.Last + 1), Name(behind.First - 1), behind.First - before.Last - 1));

    /// <summary>Every missing segment, highest first, made as it is asked for.</summary>
    public IEnumerable<WalFileName> Missing()
    {
        for (var index = Runs.Count - 1; index > 0; index--)
        {
            for (var number = Runs[index].First - 1; number > Runs[index - 1].Last; number--)
            {
                yield return Name(number);
            }
        }
    }

    /// <summary>The backups that wal-g shows with a timeline: those between its first and its last segment.</summary>
    public IEnumerable<BackupDetail> BackupsWithin() => Backups.Where(backup =>
        WalFileName.FromLsn(Timeline, backup.StartLsn, Size) >= First && WalFileName.FromLsn(Timeline, backup.FinishLsn, Size) <= Last);

    private WalFileName Name(ulong number) => WalFileName.FromSegment(Timeline, number, Size);
}
