namespace WalRus.Streaming.Tar;

/// <summary>What a tar member is. Everything a PostgreSQL backup never holds is <see cref="Other"/>.</summary>
public enum TarEntryKind
{
    File,
    Directory,
    SymbolicLink,
    HardLink,

    /// <summary>A device, a fifo or a type this reader does not know; its content, if any, is skipped.</summary>
    Other,
}

/// <summary>The header of one tar member, extended headers applied. Nothing in it has been checked against a file system.</summary>
/// <param name="Name">As written, leading or trailing slash included; not trusted.</param>
/// <param name="SizeBytes">Bytes of content that follow; 0 for everything without content.</param>
/// <param name="Mode">Permission bits, the lower twelve.</param>
/// <param name="UserId">Numeric owner; 0 also when the writer recorded none.</param>
/// <param name="GroupId">Numeric group; 0 also when the writer recorded none.</param>
/// <param name="ModifiedUnixSeconds">Modification time in whole seconds since 1970.</param>
/// <param name="LinkName">Where a link points, as written; empty for other kinds.</param>
public readonly record struct TarEntry(
    string Name,
    TarEntryKind Kind,
    long SizeBytes,
    int Mode,
    long UserId,
    long GroupId,
    long ModifiedUnixSeconds,
    string LinkName);
