using WalRus.Backup;

namespace WalRus.Cmdlets;

/// <summary>A restore as Restore-PgBackup emits it; text where the engine has value types, for the same reasons as <see cref="PgBackup"/>.</summary>
public sealed class PgRestore
{
    /// <summary>The backup that was restored.</summary>
    public required string Name { get; init; }

    public required string DataDirectory { get; init; }

    /// <summary>Bytes written.</summary>
    public long Bytes { get; init; }

    public long FileCount { get; init; }

    /// <summary>How many backups it was read from: 1 for a full one.</summary>
    public int ChainLength { get; init; }

    /// <summary>How many times a file was brought on by an increment.</summary>
    public long IncrementCount { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>Tablespace links that were made.</summary>
    public IReadOnlyList<TablespaceTarget> Tablespaces { get; init; } = [];

    /// <summary>The settings written, in order; empty when none were asked for.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> RecoverySettings { get; init; } = [];

    internal static PgRestore From(BackupFetchResult result) => new()
    {
        Name = result.Name.ToString(),
        DataDirectory = result.DataDirectory,
        Bytes = result.Bytes,
        FileCount = result.FileCount,
        ChainLength = result.ChainLength,
        IncrementCount = result.IncrementCount,
        Duration = result.Duration,
        Tablespaces = result.Tablespaces,
        RecoverySettings = result.RecoverySettings,
    };
}
