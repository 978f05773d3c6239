using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>PostgreSQL's DBState: what the server was doing when it last wrote pg_control.</summary>
public enum ClusterState
{
    StartingUp = 0,
    ShutDown = 1,
    ShutDownInRecovery = 2,
    ShuttingDown = 3,
    InCrashRecovery = 4,
    InArchiveRecovery = 5,
    InProduction = 6,
}

/// <summary>
/// <c>global/pg_control</c> of PostgreSQL 13 to 18 on a little-endian machine. Source: PostgreSQL's pg_control.h
/// (ControlFileData); the checksum, which closes the structure, tells which layout a file has.
/// </summary>
public sealed record ControlFile
{
    public const string RelativePath = "global/pg_control";

    /// <summary>PG_CONTROL_FILE_SIZE: what is on disk, the structure padded with zeros.</summary>
    public const int FileLength = 8192;

    // The same from 13 to 18, read off real control files of each.
    private const int MaxStructureLength = 512;
    private const int StateOffset = 16;
    private const int CheckpointOffset = 32;
    private const int RedoOffset = 40;
    private const int TimelineOffset = 48;
    private const int BlockSizeOffset = 216;
    private const int SegmentSizeOffset = 228;
    private const int DataChecksumOffset = 252;

    public ulong SystemIdentifier { get; private init; }

    /// <summary>1300 for PostgreSQL 13 to 16, 1700 for 17, 1800 for 18.</summary>
    public uint ControlVersion { get; private init; }

    public uint CatalogVersion { get; private init; }

    public ClusterState State { get; private init; }

    /// <summary>Where the latest checkpoint record is.</summary>
    public Lsn Checkpoint { get; private init; }

    /// <summary>Where replay from that checkpoint begins.</summary>
    public Lsn Redo { get; private init; }

    /// <summary>The timeline of the latest checkpoint.</summary>
    public TimelineId Timeline { get; private init; }

    public uint BlockSizeBytes { get; private init; }

    public WalSegmentSize SegmentSize { get; private init; }

    /// <summary>0 when the cluster has no page checksums.</summary>
    public uint DataChecksumVersion { get; private init; }

    /// <exception cref="WalRusException"><see cref="ErrorCode.DataDirectoryInvalid"/>: not a control file this knows, or damaged.</exception>
    public static ControlFile Parse(ReadOnlySpan<byte> file)
    {
        if (file.Length < MaxStructureLength)
        {
            throw Invalid($"it has only {file.Length} bytes");
        }

        var version = BinaryPrimitives.ReadUInt32LittleEndian(file[8..]);
        var length = ChecksumOffset(version) ?? throw Invalid($"its version {version} is not of PostgreSQL 13 to 18");
        if (Crc32C.Compute(file[..length]) != BinaryPrimitives.ReadUInt32LittleEndian(file[length..]))
        {
            throw Invalid("its checksum is wrong: it is damaged, or of a machine with another byte order");
        }

        var segmentSize = BinaryPrimitives.ReadUInt32LittleEndian(file[SegmentSizeOffset..]);
        return new ControlFile
        {
            SystemIdentifier = BinaryPrimitives.ReadUInt64LittleEndian(file),
            ControlVersion = version,
            CatalogVersion = BinaryPrimitives.ReadUInt32LittleEndian(file[12..]),
            State = (ClusterState)BinaryPrimitives.ReadUInt32LittleEndian(file[StateOffset..]),
            Checkpoint = new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(file[CheckpointOffset..])),
            Redo = new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(file[RedoOffset..])),
            Timeline = new TimelineId(BinaryPrimitives.ReadUInt32LittleEndian(file[TimelineOffset..])),
            BlockSizeBytes = BinaryPrimitives.ReadUInt32LittleEndian(file[BlockSizeOffset..]),
            SegmentSize = WalSegmentSize.IsValid(segmentSize)
                ? WalSegmentSize.FromBytes(segmentSize)
                : throw Invalid($"its WAL segment size is {segmentSize}"),
            DataChecksumVersion = BinaryPrimitives.ReadUInt32LittleEndian(file[DataChecksumOffset..]),
        };
    }

    private static WalRusException Invalid(string why) => new(
        ErrorCode.DataDirectoryInvalid, $"'{RelativePath}' cannot be read: {why}.");

    /// <summary>Where the structure ends: 18 added a byte before its last field.</summary>
    private static int? ChecksumOffset(uint version) => version switch
    {
        1300 or 1700 => 288,
        1800 => 292,
        _ => null,
    };
}
