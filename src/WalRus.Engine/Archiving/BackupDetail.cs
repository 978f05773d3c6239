using System.Text.Json;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>One backup of the archive, from its sentinel and metadata.json.</summary>
public sealed record BackupDetail
{
    public required BackupName Name { get; init; }

    /// <summary>The sentinel's modification time: wal-g's "modified", its order of backups and what LATEST means.</summary>
    public required DateTimeOffset Modified { get; init; }

    /// <summary>wal-g's storage name, "default" for the primary.</summary>
    public required string StorageName { get; init; }

    public DateTimeOffset? StartTime { get; init; }

    public DateTimeOffset? FinishTime { get; init; }

    public string Hostname { get; init; } = "";

    public string DataDirectory { get; init; } = "";

    /// <summary><c>server_version_num</c>, e.g. 160003.</summary>
    public int PgVersion { get; init; }

    public Lsn StartLsn { get; init; }

    public Lsn FinishLsn { get; init; }

    /// <summary>From metadata.json, wal-g's authority; from the sentinel where that is missing.</summary>
    public bool IsPermanent { get; init; }

    public ulong? SystemIdentifier { get; init; }

    /// <summary>Sum of tar payloads.</summary>
    public long UncompressedSize { get; init; }

    /// <summary>Bytes stored.</summary>
    public long CompressedSize { get; init; }

    public JsonElement? UserData { get; init; }

    /// <summary>For a delta the parent's name as the sentinel has it; null for a full backup.</summary>
    public string? DeltaFrom { get; init; }

    /// <summary>For a delta the parent's start LSN: pages changed since then are in it.</summary>
    public Lsn? DeltaFromLsn { get; init; }

    /// <summary>How many deltas lie between the full backup and this one, itself included; 0 for a full backup.</summary>
    public int DeltaCount { get; init; }

    /// <summary>For a delta the full backup its chain starts from.</summary>
    public string? DeltaFullName { get; init; }

    /// <summary>False when the backup has no metadata.json (made before wal-g wrote one).</summary>
    public bool HasMetadata { get; init; } = true;

    public bool IsDelta => DeltaFrom is not null;

    /// <summary>The WAL segment in the name.</summary>
    public WalFileName StartSegment => Name.StartSegment;

    /// <summary>The timeline the backup was taken on.</summary>
    public TimelineId Timeline => Name.StartSegment.Timeline;
}
