namespace WalRus.Transfer;

/// <summary>What to move from one store to another: wal-g's <c>st transfer</c>.</summary>
public sealed record StoreTransferRequest
{
    /// <summary>A folder, or one object's key; null to move whole backups only.</summary>
    public string? Path { get; init; }

    /// <summary>With no <see cref="Path"/>: only this backup and those that its chain consists of; null for all.</summary>
    public string? Backup { get; init; }

    /// <summary>Replace what the target holds and differs; else it stays, and so does the source's.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Copy: delete nothing at the source.</summary>
    public bool Preserve { get; init; }

    /// <summary>End with the first failure instead of going on with the others.</summary>
    public bool FailFast { get; init; }

    /// <summary>Take parts of a backup whose sentinel stays at the source, too.</summary>
    public bool Force { get; init; }

    /// <summary>The most objects of one run.</summary>
    public long MaxObjects { get; init; } = long.MaxValue;

    /// <summary>The most backups of one run.</summary>
    public int MaxBackups { get; init; } = int.MaxValue;

    /// <summary>How often a copied object is looked for before the source's is deleted, for stores that show it late.</summary>
    public int AppearanceChecks { get; init; } = 3;

    public TimeSpan AppearanceInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Objects under way at the same time.</summary>
    public int Lanes { get; init; } = 10;

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>What a transfer did.</summary>
/// <param name="Copied">Objects that the target had not.</param>
/// <param name="AlreadyThere">Objects that the target had, equal.</param>
/// <param name="Deleted">Objects deleted at the source, each proven at the target before.</param>
/// <param name="KeptBoth">Objects that the target has otherwise; nothing was done about them.</param>
/// <param name="Bytes">Bytes copied.</param>
/// <param name="Backups">Backups moved.</param>
public sealed record StoreTransferResult(long Copied, long AlreadyThere, long Deleted, long KeptBoth, long Bytes, int Backups);
