using WalRus.Storage;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>An object or a folder of the store.</summary>
public sealed class PgStorageItem
{
    /// <summary>The whole key below the archive's prefix.</summary>
    public required string Key { get; init; }

    /// <summary>Its last part.</summary>
    public required string Name { get; init; }

    public bool IsFolder { get; init; }

    /// <summary>Bytes in the store; 0 for a folder.</summary>
    public long Size { get; init; }

    /// <summary>By the store's clock; null for a folder.</summary>
    public DateTimeOffset? Modified { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Key;

    internal static PgStorageItem From(ListEntry entry) => new()
    {
        Key = entry.Key.ToString(),
        Name = entry.Key.Name,
        IsFolder = entry.IsFolder,
        Size = entry.SizeBytes,
        Modified = entry.IsFolder ? null : entry.LastModified,
    };
}

/// <summary>An object and the local file it was saved to or set from.</summary>
public sealed class PgStorageFile
{
    /// <summary>The object's key.</summary>
    public required string Key { get; init; }

    /// <summary>The local file.</summary>
    public required string Path { get; init; }

    /// <summary>Bytes of the file.</summary>
    public long Size { get; init; }

    public TimeSpan Duration { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Key;

    internal static PgStorageFile From(MovedItem item, string path, TimeSpan duration) => new()
    {
        Key = item.Key.ToString(),
        Path = path,
        Size = item.ContentBytes,
        Duration = duration,
    };
}

/// <summary>What Remove-WalStorageItem removed.</summary>
public sealed class PgStorageRemoval
{
    /// <summary>The object, or the folder.</summary>
    public required string Key { get; init; }

    public bool IsFolder { get; init; }

    /// <summary>How many objects.</summary>
    public long ObjectCount { get; init; }

    /// <summary>Their size.</summary>
    public long Size { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Key;
}

/// <summary>One step of Test-WalStorage.</summary>
public sealed class PgStorageTest
{
    /// <summary>List, Exists, Write, Consistency, Read or Delete.</summary>
    public required string Step { get; init; }

    public bool Passed { get; init; }

    public required string Message { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>For Write and Read; null for the others.</summary>
    public double? BytesPerSecond { get; init; }

    /// <summary>The stable id of what is wrong, or null.</summary>
    public string? ErrorId { get; init; }

    /// <summary>What to do about it, or null.</summary>
    public string? RecommendedAction { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Step}: {Message}";

    internal static PgStorageTest From(StorageTestResult result) => new()
    {
        Step = result.Step,
        Passed = result.Failure is null,
        Message = result.Message,
        Duration = result.Duration,
        BytesPerSecond = result.BytesPerSecond,
        ErrorId = result.Failure?.Code.ToString(),
        RecommendedAction = result.Failure?.Hint,
    };
}
