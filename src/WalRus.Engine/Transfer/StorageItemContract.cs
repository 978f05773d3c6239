using WalRus.Storage;

namespace WalRus.Transfer;

/// <summary>An object to bring to a local file.</summary>
public sealed record StorageSaveRequest
{
    public required ObjectKey Key { get; init; }

    /// <summary>A file, or an existing folder that the file is put into under the object's name.</summary>
    public required string Destination { get; init; }

    public bool Decrypt { get; init; } = true;

    /// <summary>Undo the compression that the key's extension names; the file keeps the object's name.</summary>
    public bool Decompress { get; init; } = true;

    /// <summary>Replace an existing file.</summary>
    public bool Overwrite { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>A local file to store.</summary>
public sealed record StorageSetRequest
{
    /// <summary>What to store; it stays the caller's.</summary>
    public required Stream Content { get; init; }

    /// <summary>Its key; a compressed object gets the codec's extension behind it.</summary>
    public required ObjectKey Key { get; init; }

    public bool Encrypt { get; init; } = true;

    public bool Compress { get; init; } = true;

    /// <summary>Replace an existing object.</summary>
    public bool Overwrite { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>An object that is a local file now, or the other way round.</summary>
/// <param name="Key">The object.</param>
/// <param name="Path">The file; null for what came from a stream.</param>
/// <param name="ContentBytes">Bytes of the file.</param>
public sealed record MovedItem(ObjectKey Key, string? Path, long ContentBytes);

/// <summary>What removing a path would delete.</summary>
/// <param name="Path">The object's key, or the folder without a slash at its end.</param>
/// <param name="IsFolder">All objects below it.</param>
/// <param name="ObjectCount">How many.</param>
/// <param name="SizeBytes">Their size.</param>
public sealed record StorageRemovalPlan(string Path, bool IsFolder, long ObjectCount, long SizeBytes);
