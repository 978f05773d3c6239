using WalRus.Reporting;

namespace WalRus.Cmdlets;

/// <summary>A report as Export-PgBackupReport emits it.</summary>
public sealed class PgBackupReport
{
    /// <summary>The page that was written.</summary>
    public required string Path { get; init; }

    /// <summary>Good, Attention or Bad: the worst of what was found.</summary>
    public required ReportGrade Grade { get; init; }

    /// <summary>What was found, the worst first.</summary>
    public IReadOnlyList<string> Findings { get; init; } = [];

    public int BackupCount { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Path;

    internal static PgBackupReport From(BackupReportResult result) => new()
    {
        Path = result.Path,
        Grade = result.Grade,
        Findings = result.Findings.Select(finding => $"{finding.Grade}: {finding.Text}").ToArray(),
        BackupCount = result.BackupCount,
    };
}
