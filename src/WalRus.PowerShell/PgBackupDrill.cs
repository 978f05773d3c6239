using System.Management.Automation;
using WalRus.Drill;

namespace WalRus.Cmdlets;

/// <summary>A drill as Test-PgBackup emits it; text where the engine has value types, for the same reasons as <see cref="PgBackup"/>.</summary>
public sealed class PgBackupDrill
{
    /// <summary>The backup's name.</summary>
    public required string Name { get; init; }

    /// <summary>Passed or Failed.</summary>
    public required DrillOutcome Status { get; init; }

    public required DateTimeOffset StartTime { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>The first phase that failed; null when none did.</summary>
    public string? FailedPhase { get; init; }

    /// <summary>Why it failed; null when it did not.</summary>
    public string? Message { get; init; }

    /// <summary>Every phase with its outcome, in order.</summary>
    public IReadOnlyList<PgDrillPhase> Phases { get; init; } = [];

    public DateTimeOffset? BackupFinishTime { get; init; }

    public ulong? SystemIdentifier { get; init; }

    /// <summary>The PostgreSQL that served the drill, e.g. 16.4; null when it did not start.</summary>
    public string? ServerVersion { get; init; }

    /// <summary>What was recovered to.</summary>
    public string Target { get; init; } = "";

    /// <summary>Bytes of files restored.</summary>
    public long RestoredBytes { get; init; }

    public long FileCount { get; init; }

    public long WalSegmentCount { get; init; }

    public long WalBytes { get; init; }

    /// <summary>Where replay ended; empty when recovery failed.</summary>
    public string RecoveredLsn { get; init; } = "";

    /// <summary>The last commit that was replayed; null when there was none.</summary>
    public DateTimeOffset? RecoveredTime { get; init; }

    public IReadOnlyList<PgDrillQuery> Queries { get; init; } = [];

    /// <summary>Rows by database.schema.table; empty unless they were counted.</summary>
    public IReadOnlyDictionary<string, long> RowCounts { get; init; } = new Dictionary<string, long>();

    /// <summary>Where a failed drill was kept; null when it was removed.</summary>
    public string? KeptFolder { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Status}";

    internal static PgBackupDrill From(BackupDrillResult result) => new()
    {
        Name = result.BackupName,
        Status = result.Status,
        StartTime = result.StartTime,
        Duration = result.Duration,
        FailedPhase = result.FirstFailure?.Name.ToString(),
        Message = result.FirstFailure?.Message,
        Phases = result.Phases.Select(PgDrillPhase.From).ToArray(),
        BackupFinishTime = result.BackupFinishTime,
        SystemIdentifier = result.SystemIdentifier,
        ServerVersion = result.ServerVersion,
        Target = result.Target,
        RestoredBytes = result.RestoredBytes,
        FileCount = result.FileCount,
        WalSegmentCount = result.WalSegmentCount,
        WalBytes = result.WalBytes,
        RecoveredLsn = result.RecoveredLsn?.ToString() ?? "",
        RecoveredTime = result.RecoveredTime,
        Queries = result.Queries.Select(PgDrillQuery.From).ToArray(),
        RowCounts = new Dictionary<string, long>(result.RowCounts),
        KeptFolder = result.KeptFolder,
    };
}

/// <summary>One phase of a drill.</summary>
public sealed class PgDrillPhase
{
    public required DrillPhaseName Name { get; init; }

    /// <summary>Passed, Failed or Skipped.</summary>
    public required DrillOutcome Outcome { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>What was found, why it failed, or why it was skipped.</summary>
    public string Message { get; init; } = "";

    /// <summary>What to do about a failure; null where there is nothing to say.</summary>
    public string? RecommendedAction { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Outcome}";

    internal static PgDrillPhase From(DrillPhase phase) => new()
    {
        Name = phase.Name,
        Outcome = phase.Outcome,
        Duration = phase.Duration,
        Message = phase.Message,
        RecommendedAction = phase.Hint,
    };
}

/// <summary>What a query of a drill answered.</summary>
public sealed class PgDrillQuery
{
    public required string Name { get; init; }

    public string Database { get; init; } = "";

    /// <summary>The first column of the first row, as PostgreSQL prints it.</summary>
    public string? Value { get; init; }

    public long RowCount { get; init; }

    /// <summary>The first hundred rows as objects with the columns as properties, values as text.</summary>
    public IReadOnlyList<PSObject> Rows { get; init; } = [];

    /// <summary>Why it failed; null when it did not.</summary>
    public string? Problem { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Problem ?? Value}";

    internal static PgDrillQuery From(DrillQueryResult result) => new()
    {
        Name = result.Name,
        Database = result.Database,
        Value = result.Value,
        RowCount = result.RowCount,
        // An array: PowerShell cannot index the list that a collection expression makes.
        Rows = result.Rows.Select(row => ToObject(result.Columns, row)).ToArray(),
        Problem = result.Problem,
    };

    private static PSObject ToObject(IReadOnlyList<string> columns, IReadOnlyList<string?> row)
    {
        var made = new PSObject();
        for (var column = 0; column < columns.Count; column++)
        {
            // SQL allows a column's name twice; the last wins.
            made.Properties.Remove(columns[column]);
            made.Properties.Add(new PSNoteProperty(columns[column], row[column]));
        }

        return made;
    }
}
