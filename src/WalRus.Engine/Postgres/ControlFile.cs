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

/// <summary>PostgreSQL's WalLevel, by its numbers since 9.6.</summary>
public enum WalLevel
{
    Minimal = 0,
    Replica = 1,
    Logical = 2,
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
    private const int MinimumRecoveryOffset = 136;
    private const int MinimumRecoveryTimelineOffset = 144;
    private const int BackupStartOffset = 152;
    private const int BackupEndOffset = 160;
    private const int BackupEndRequiredOffset = 168;
    private const int WalLevelOffset = 172;
    private const int MaxPreparedTransactionsOffset = 192;
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

    /// <summary>How far replay has to come before the data is consistent; not valid on a primary.</summary>
    public Lsn MinimumRecoveryPoint { get; private init; }

    /// <summary>The timeline of <see cref="MinimumRecoveryPoint"/>; null where that is not valid.</summary>
    public TimelineId? MinimumRecoveryTimeline { get; private init; }

    /// <summary>The start of the backup that replay came from and whose end it has not reached yet; else not valid.</summary>
    public Lsn BackupStart { get; private init; }

    /// <summary>For a backup taken from a standby, where it ends; else not valid.</summary>
    public Lsn BackupEnd { get; private init; }

    /// <summary>Replay is not done before it has seen the end-of-backup record.</summary>
    public bool IsBackupEndRequired { get; private init; }

    /// <summary>The server's wal_level when it last started; null for a number no version has.</summary>
    public WalLevel? WalLevel { get; private init; }

    /// <summary>max_prepared_transactions of the server that wrote it: one that replays its WAL must allow as many.</summary>
    public int MaxPreparedTransactions { get; private init; }

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

        var minimumTimeline = BinaryPrimitives.ReadUInt32LittleEndian(file[MinimumRecoveryTimelineOffset..]);
        var walLevel = (WalLevel)BinaryPrimitives.ReadInt32LittleEndian(file[WalLevelOffset..]);
        var segmentSize = BinaryPrimitives.ReadUInt32LittleEndian(file[SegmentSizeOffset..]);
        return new ControlFile
        {
            SystemIdentifier = BinaryPrimitives.ReadUInt64LittleEndian(file),
            ControlVersion = version,
            CatalogVersion = BinaryPrimitives.ReadUInt32LittleEndian(file[12..]),
            State = (ClusterState)BinaryPrimitives.ReadUInt32LittleEndian(file[StateOffset..]),
            Checkpoint = LsnAt(file, CheckpointOffset),
            Redo = LsnAt(file, RedoOffset),
            Timeline = new TimelineId(BinaryPrimitives.ReadUInt32LittleEndian(file[TimelineOffset..])),
            MinimumRecoveryPoint = LsnAt(file, MinimumRecoveryOffset),
            MinimumRecoveryTimeline = minimumTimeline == 0 ? null : new TimelineId(minimumTimeline),
            BackupStart = LsnAt(file, BackupStartOffset),
            BackupEnd = LsnAt(file, BackupEndOffset),
            IsBackupEndRequired = file[BackupEndRequiredOffset] != 0,
            WalLevel = Enum.IsDefined(walLevel) ? walLevel : null,
            MaxPreparedTransactions = BinaryPrimitives.ReadInt32LittleEndian(file[MaxPreparedTransactionsOffset..]),
            BlockSizeBytes = BinaryPrimitives.ReadUInt32LittleEndian(file[BlockSizeOffset..]),
            SegmentSize = WalSegmentSize.IsValid(segmentSize)
                ? WalSegmentSize.FromBytes(segmentSize)
                : throw Invalid($"its WAL segment size is {segmentSize}"),
            DataChecksumVersion = BinaryPrimitives.ReadUInt32LittleEndian(file[DataChecksumOffset..]),
        };
    }

    private static Lsn LsnAt(ReadOnlySpan<byte> file, int offset) =>
        new(BinaryPrimitives.ReadUInt64LittleEndian(file[offset..]));

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
