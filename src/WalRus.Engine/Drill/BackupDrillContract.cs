using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;

namespace WalRus.Drill;

/// <summary>One drill: which backup, how far to recover it, and what to hold the recovered server against.</summary>
public sealed record BackupDrillRequest
{
    /// <summary>The backup's name; "LATEST" too.</summary>
    public required string BackupName { get; init; }

    /// <summary>How far to recover; the moment the backup becomes consistent when nothing else is asked.</summary>
    public RecoveryTarget Target { get; init; } = new() { Immediate = true };

    /// <summary>An existing folder with room for the restored cluster; the drill makes one of its own in it and removes it.</summary>
    public required string ParentFolder { get; init; }

    /// <summary>The bin folder of a PostgreSQL of the backup's major version; null to look for one.</summary>
    public string? PostgresBin { get; init; }

    /// <summary>The OS account that the server runs under when this process is root.</summary>
    public string AccountWhenRoot { get; init; } = "postgres";

    /// <summary>A superuser of the restored cluster.</summary>
    public string UserName { get; init; } = "postgres";

    /// <summary>The throwaway server's shared_buffers.</summary>
    public long SharedBuffersBytes { get; init; } = 64L << 20;

    /// <summary>
    /// shared_preload_libraries of the throwaway server: only what replay needs (libraries with WAL records of their
    /// own). The original server's are not loaded: they may run jobs.
    /// </summary>
    public IReadOnlyList<string> PreloadLibraries { get; init; } = [];

    /// <summary>Verify page checksums of the stopped cluster.</summary>
    public bool Checksums { get; init; } = true;

    /// <summary>Run amcheck over all tables and B-tree indexes of all databases.</summary>
    public bool Structure { get; init; } = true;

    /// <summary>Let amcheck also look for each table row in its indexes: slower.</summary>
    public bool HeapAllIndexed { get; init; }

    public IReadOnlyList<DrillQuery> Queries { get; init; } = [];

    /// <summary>Count the rows of all tables. A baseline implies it.</summary>
    public bool CountRows { get; init; }

    /// <summary>Row counts of an earlier drill, by <c>database.schema.table</c>; null for no comparison.</summary>
    public IReadOnlyDictionary<string, long>? Baseline { get; init; }

    /// <summary>How far, in percent of the baseline, a count may be from it.</summary>
    public double TolerancePercent { get; init; }

    /// <summary>Leave the restored cluster (stopped) when the drill fails.</summary>
    public bool KeepOnFailure { get; init; }

    /// <summary>The whole drill may take so long.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(12);

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>SQL to run on the recovered server.</summary>
/// <param name="Name">For the result: the text itself or a file's name.</param>
/// <param name="Sql">One or more statements; the rows of the last one that returns any are what is judged.</param>
public sealed record DrillQuery(string Name, string Sql)
{
    public string Database { get; init; } = "postgres";

    /// <summary>What the first column of the first row has to be, as PostgreSQL prints it; null to judge nothing.</summary>
    public string? Expected { get; init; }

    /// <summary>Gives null when the answer is right, else why not; null to judge nothing.</summary>
    public Func<DrillQueryResult, Task<string?>>? Assert { get; init; }
}

/// <summary>What a query answered.</summary>
public sealed record DrillQueryResult
{
    public required string Name { get; init; }

    public required string Database { get; init; }

    public IReadOnlyList<string> Columns { get; init; } = [];

    /// <summary>The first hundred rows; each value as PostgreSQL prints it, at most 64 Ki characters, null for NULL.</summary>
    public IReadOnlyList<IReadOnlyList<string?>> Rows { get; init; } = [];

    /// <summary>How many rows there were.</summary>
    public long RowCount { get; init; }

    /// <summary>The first column of the first row; null when that is NULL or there is no row.</summary>
    public string? Value => Rows is [[var first, ..], ..] ? first : null;

    /// <summary>Why it failed; null when it did not.</summary>
    public string? Problem { get; init; }
}

/// <summary>The steps of a drill, in order.</summary>
public enum DrillPhaseName
{
    /// <summary>The backup's documents and the WAL it needs are in the archive.</summary>
    Plan,

    /// <summary>Every part was read, decoded and written.</summary>
    Restore,

    /// <summary>The server replayed WAL to the target and opened.</summary>
    Recover,

    /// <summary>The running server reports that it archives nothing, follows nobody and listens to nobody.</summary>
    Isolation,

    /// <summary>amcheck.</summary>
    Structure,

    /// <summary>The user's SQL.</summary>
    Query,

    /// <summary>Row counts, against a baseline where there is one.</summary>
    RowCount,

    /// <summary>The server shut down cleanly.</summary>
    Stop,

    /// <summary>Page checksums of the stopped cluster.</summary>
    Checksum,

    /// <summary>Nothing is left.</summary>
    CleanUp,
}

public enum DrillOutcome
{
    Passed,
    Failed,
    Skipped,
}

/// <summary>How one step went.</summary>
/// <param name="Name">Which.</param>
/// <param name="Outcome">Passed, Failed, or Skipped with the reason in <paramref name="Message"/>.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Message">What was found, why it failed, or why it was skipped.</param>
/// <param name="Code">Which failure; null unless it failed.</param>
/// <param name="Hint">What to do about the failure, or null.</param>
public sealed record DrillPhase(
    DrillPhaseName Name, DrillOutcome Outcome, TimeSpan Duration, string Message, ErrorCode? Code = null, string? Hint = null);

/// <summary>What would be done.</summary>
public sealed record BackupDrillPlan
{
    public required BackupDetail Backup { get; init; }

    public required RecoveryPlan Recovery { get; init; }

    public required PostgresInstallation Installation { get; init; }

    /// <summary>Room that the restored cluster and its WAL need in <see cref="BackupDrillRequest.ParentFolder"/>: an estimate.</summary>
    public required long NeededBytes { get; init; }

    public required long FreeBytes { get; init; }

    /// <summary>The steps that will be taken, in order.</summary>
    public required IReadOnlyList<DrillPhaseName> Phases { get; init; }

    public bool HasRoom => NeededBytes <= FreeBytes;
}

/// <summary>A drill that was carried out: passed only when no step failed.</summary>
public sealed record BackupDrillResult
{
    public required string BackupName { get; init; }

    public required DrillOutcome Status { get; init; }

    public required DateTimeOffset StartTime { get; init; }

    public TimeSpan Duration { get; init; }

    public IReadOnlyList<DrillPhase> Phases { get; init; } = [];

    /// <summary>When the backup ended; null when not even its documents could be read.</summary>
    public DateTimeOffset? BackupFinishTime { get; init; }

    public ulong? SystemIdentifier { get; init; }

    /// <summary>The version that served the drill, as it names itself; null when it did not start.</summary>
    public string? ServerVersion { get; init; }

    /// <summary>What was recovered to, in words.</summary>
    public required string Target { get; init; }

    /// <summary>Bytes of files restored.</summary>
    public long RestoredBytes { get; init; }

    public long FileCount { get; init; }

    /// <summary>Whole WAL segments that replay was given.</summary>
    public long WalSegmentCount { get; init; }

    public long WalBytes { get; init; }

    /// <summary>The position replay ended at; null when recovery failed.</summary>
    public Lsn? RecoveredLsn { get; init; }

    /// <summary>The last commit that replay saw; null when it saw none.</summary>
    public DateTimeOffset? RecoveredTime { get; init; }

    public IReadOnlyList<DrillQueryResult> Queries { get; init; } = [];

    /// <summary>By <c>database.schema.table</c>; empty unless rows were counted. A later drill's baseline.</summary>
    public IReadOnlyDictionary<string, long> RowCounts { get; init; } = new Dictionary<string, long>();

    /// <summary>Where the failed drill's folder was left; null when it was removed.</summary>
    public string? KeptFolder { get; init; }

    /// <summary>The first step that failed; null when none did.</summary>
    public DrillPhase? FirstFailure => Phases.FirstOrDefault(phase => phase.Outcome == DrillOutcome.Failed);
}
