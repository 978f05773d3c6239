namespace WalRus.WalG;

/// <summary>One file, directory or link of a backup, as <c>files_metadata.json</c> describes it.</summary>
public readonly record struct FilesMetadataEntry
{
    /// <summary>
    /// The tar member's name, byte for byte: with a leading "/" in wal-g's local backups, without in remote ones and
    /// WAL-RUS's.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>To the nanosecond and with the writer's offset; whole seconds in remote backups and WAL-RUS's.</summary>
    public WalGTime ModifiedTime { get; init; }

    /// <summary>The tar member holds an increment, not the file.</summary>
    public bool IsIncremented { get; init; }

    /// <summary>There is no tar member: the file is as in the parent. Never true with <see cref="IsIncremented"/>.</summary>
    public bool IsSkipped { get; init; }

    /// <summary>Null when none was found, or none was looked for.</summary>
    public CorruptBlocks? CorruptBlocks { get; init; }

    /// <summary>Tuples inserted, updated and deleted; only the rating composer counts them.</summary>
    public ulong UpdatesCount { get; init; }
}

/// <summary>Pages whose checksum was wrong.</summary>
/// <param name="Count">How many in the file.</param>
/// <param name="Blocks">Block numbers within the file (not the relation), ascending; at most ten unless all were asked for.</param>
public sealed record CorruptBlocks(long Count, IReadOnlyList<uint> Blocks);

/// <summary>One member of one tar.</summary>
/// <param name="Tar">
/// The tar object's name, codec extension included ("part_001.tar.lz4"); WAL-RUS writes it without the extension.
/// </param>
/// <param name="Member">The member's name; null says that the tar is listed with no member at all.</param>
public readonly record struct TarMember(string Tar, string? Member);

/// <summary>What a whole tar comes to, uncompressed.</summary>
/// <param name="Tar">The tar object's name, without the codec's extension: a copy may be compressed otherwise.</param>
/// <param name="Crc32C">CRC-32C of all its bytes.</param>
public readonly record struct TarChecksum(string Tar, uint Crc32C);

/// <summary>One relation of one database, for a partial restore; or, with no <paramref name="Table"/>, the database itself.</summary>
/// <param name="Database">The database's name.</param>
/// <param name="Table">"schema.name"; null for the database itself.</param>
/// <param name="Parent">The top-level ancestor that it is listed under (partitions, their indexes), or null.</param>
/// <param name="Oid">Of the table, or of the database.</param>
/// <param name="FileNode">The relfilenode; 0 for a partitioned table and for the database itself.</param>
public readonly record struct DatabaseTable(string Database, string? Table, string? Parent, uint Oid, uint FileNode);

/// <summary>The parts of <c>files_metadata.json</c>.</summary>
[Flags]
public enum FilesMetadataSections
{
    None = 0,
    Files = 1,
    TarFileSets = 2,
    Databases = 4,

    /// <summary>WalRus' own, which other readers pass over.</summary>
    TarChecksums = 8,
    All = Files | TarFileSets | Databases | TarChecksums,
}

/// <summary>One thing read from <c>files_metadata.json</c>: which one <see cref="Section"/> says.</summary>
public readonly record struct FilesMetadataItem
{
    public required FilesMetadataSections Section { get; init; }

    public FilesMetadataEntry File { get; init; }

    public TarMember TarMember { get; init; }

    public DatabaseTable Table { get; init; }

    public TarChecksum TarChecksum { get; init; }
}
