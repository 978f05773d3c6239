using System.Globalization;
using WalRus.Drill;

namespace WalRus.Reporting;

/// <summary>What in an archive needs somebody's attention.</summary>
internal static class ReportFindings
{
    /// <summary>The worst first; never empty.</summary>
    public static IReadOnlyList<ReportFinding> Of(ReportData data)
    {
        var findings = Backups(data).Concat(Wal(data)).Concat(Drills(data)).OrderByDescending(finding => finding.Grade).ToList();
        return findings.Count > 0 ? findings : [new(ReportGrade.Good, "Backups, WAL and drills are within their limits.")];
    }

    private static IEnumerable<ReportFinding> Backups(ReportData data)
    {
        if (data.NewestBackup is not { } newest)
        {
            yield return new(ReportGrade.Bad, "The archive holds no backup that can be read.");
        }
        else if (data.Now - (newest.FinishTime ?? newest.Modified) is var age && age > data.Request.BackupAgeLimit)
        {
            yield return new(ReportGrade.Attention, $"The newest backup is {ReportText.Duration(age)} old; the limit is {ReportText.Duration(data.Request.BackupAgeLimit)}.");
        }

        if (data.Unreadable.Count > 0)
        {
            yield return new(
                ReportGrade.Bad,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{ReportText.Count(data.Unreadable.Count, "backup")} cannot be read; the first is {data.Unreadable[0].Name}: {data.Unreadable[0].Error?.Message}"));
        }
    }

    private static IEnumerable<ReportFinding> Wal(ReportData data)
    {
        if (data.Current is not { Recovery: var current })
        {
            yield return new(ReportGrade.Bad, "The archive holds no WAL.");
            yield break;
        }

        if (current.NewestBackup is null && data.Backups.Count > 0)
        {
            yield return new(ReportGrade.Bad, $"No backup can be recovered on the newest timeline, {current.Timeline.Value}.");
        }

        if (current.RecoveryPointAge is { } age && age > data.Request.RecoveryPointLimit)
        {
            yield return new(
                ReportGrade.Attention,
                $"The newest point that can be recovered is {ReportText.Duration(age)} old; the limit is {ReportText.Duration(data.Request.RecoveryPointLimit)}. "
                    + "Either nothing was written since, or WAL is not being archived.");
        }

        foreach (var timeline in data.Timelines.Where(timeline => timeline.Recovery.Gaps.Count > 0))
        {
            var missing = timeline.Recovery.Gaps.Aggregate(0UL, (sum, gap) => sum + gap.Count);
            yield return new(
                timeline.Recovery.IsNewest ? ReportGrade.Bad : ReportGrade.Attention,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Timeline {timeline.Recovery.Timeline.Value} lacks {ReportText.Count((long)missing, "WAL segment")} in {ReportText.Count(timeline.Recovery.Gaps.Count, "gap")}: moments in and behind a gap need a later backup."));
        }
    }

    private static IEnumerable<ReportFinding> Drills(ReportData data)
    {
        if (data.Drills.Count > 0 && data.Drills[^1] is { Status: DrillOutcome.Failed } failed)
        {
            yield return new(ReportGrade.Bad, $"The last restore drill ({failed.BackupName}) failed in phase {failed.FailedPhase}: {failed.Message}");
        }

        var passed = data.Drills.LastOrDefault(drill => drill.Status == DrillOutcome.Passed);
        if (passed is null)
        {
            yield return new(ReportGrade.Attention, "No restore drill of this archive has passed: nobody knows that it can be restored.");
        }
        else if (data.Now - passed.StartTime is var age && age > data.Request.DrillAgeLimit)
        {
            yield return new(ReportGrade.Attention, $"The last restore drill that passed is {ReportText.Duration(age)} old; the limit is {ReportText.Duration(data.Request.DrillAgeLimit)}.");
        }
    }
}
