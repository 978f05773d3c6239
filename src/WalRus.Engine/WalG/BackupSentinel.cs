using System.Text.Json;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>
/// What a delta is based on. The four keys are always written together: wal-g panics on a part of them.
/// </summary>
/// <param name="FromLsn">The parent's start LSN: pages changed since then are in the delta.</param>
/// <param name="From">The parent's name; "" in a catchup backup, whose parent is no backup.</param>
/// <param name="FullName">The full backup at the root of the chain; "" in a catchup backup.</param>
/// <param name="Count">1 for the first delta after a full backup, then one more each.</param>
public sealed record BackupDelta(Lsn FromLsn, string From, string FullName, int Count);

/// <summary>
/// The document whose presence is the backup: written last, deleted first. Source: wal-g's sentinel, version 2; older
/// ones (version 1, WAL-E) and WAL-RUS's are read too.
/// </summary>
public sealed record BackupSentinel
{
    /// <summary>The version WalRus writes. 0 means a document older than the key.</summary>
    public const int CurrentVersion = 2;

    /// <summary>The constant that wal-g writes as <c>DateFmt</c>.</summary>
    public const string ConstantDateFormat = "%Y-%m-%dT%H:%M:%S.%fZ";

    /// <summary><see cref="IncrementFormat"/> of WAL-RUS's deltas made of PostgreSQL's own INCREMENTAL files.</summary>
    public const string NativeIncrementFormat = "native";

    private const string What = "backup sentinel";

    /// <summary>Null where not known; such a backup cannot be the parent of a delta.</summary>
    public Lsn? StartLsn { get; init; }

    /// <summary>Null for a full backup.</summary>
    public BackupDelta? Delta { get; init; }

    /// <summary>WAL-RUS only: "native", or null for wal-g's own increments.</summary>
    public string? IncrementFormat { get; init; }

    /// <summary><c>server_version_num</c>, e.g. 160003.</summary>
    public int PgVersion { get; init; }

    public Lsn? FinishLsn { get; init; }

    public ulong? SystemIdentifier { get; init; }

    /// <summary>Bytes of tar payload.</summary>
    public long UncompressedSize { get; init; }

    /// <summary>Bytes stored.</summary>
    public long CompressedSize { get; init; }

    /// <summary>Bytes on disk of all that was walked; 0 where not known (remote backups).</summary>
    public long DataCatalogSize { get; init; }

    /// <summary>Null when a local backup has no tablespaces; a remote backup always has one.</summary>
    public TablespaceSpec? Tablespaces { get; init; }

    public JsonElement? UserData { get; init; }

    /// <summary>True when the backup was made without <c>files_metadata.json</c>.</summary>
    public bool FilesMetadataDisabled { get; init; }

    /// <summary>OrioleDB's checkpoint number.</summary>
    public uint? CheckpointNumber { get; init; }

    /// <summary>OrioleDB's checkpoint number of the parent.</summary>
    public uint? DeltaCheckpointNumber { get; init; }

    public int Version { get; init; } = CurrentVersion;

    public WalGTime StartTime { get; init; }

    public WalGTime FinishTime { get; init; }

    public string DateFormat { get; init; } = ConstantDateFormat;

    public string Hostname { get; init; } = "";

    public string DataDirectory { get; init; } = "";

    /// <summary>As it was at push; wal-g keeps the truth in metadata.json, WAL-RUS here.</summary>
    public bool IsPermanent { get; init; }

    /// <summary>
    /// True when a restore must have <c>files_metadata.json</c>: it was written, so its absence is damage. Older
    /// documents (version 1, WAL-E) come without.
    /// </summary>
    public bool RequiresFilesMetadata => Version >= CurrentVersion && !FilesMetadataDisabled;

    /// <summary>Reads a sentinel of any size in little memory: the lists that version 1 embeds are passed over.</summary>
    /// <param name="document">Read to its end; not disposed.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public static async ValueTask<BackupSentinel> ReadAsync(Stream document, CancellationToken cancellationToken) =>
        Parse((await SentinelFilter.ReadAsync(document, cancellationToken).ConfigureAwait(false)).Span);

    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public static BackupSentinel Parse(ReadOnlySpan<byte> json)
    {
        var draft = new Draft();
        WalGJson.ReadObject(json, What, draft, ReadMember);
        return draft.Value with { Delta = draft.Delta() };
    }

    /// <summary>The document as wal-g writes it, to the byte.</summary>
    public byte[] ToJson() => WalGJson.Write(writer =>
    {
        WriteDelta(writer);
        WriteServer(writer);
        writer.WriteNumber("Version", Version);
        writer.WriteTime("StartTime", StartTime);
        writer.WriteTime("FinishTime", FinishTime);
        writer.WriteString("DateFmt", DateFormat);
        writer.WriteString("Hostname", Hostname);
        writer.WriteString("DataDir", DataDirectory);
        writer.WriteBoolean("IsPermanent", IsPermanent);
    });

    /// <summary>The metadata.json that belongs to this sentinel: the two are always written from one truth.</summary>
    public BackupMetadata ToMetadata() => new()
    {
        StartTime = StartTime,
        FinishTime = FinishTime,
        DateFormat = DateFormat,
        Hostname = Hostname,
        DataDirectory = DataDirectory,
        PgVersion = PgVersion,
        StartLsn = StartLsn ?? default,
        FinishLsn = FinishLsn ?? default,
        IsPermanent = IsPermanent,
        SystemIdentifier = SystemIdentifier,
        UncompressedSize = UncompressedSize,
        CompressedSize = CompressedSize,
        UserData = UserData,
    };

    private static void ReadMember(Draft draft, ref Utf8JsonReader reader, string name)
    {
        if (draft.ReadDelta(ref reader, name))
        {
            return;
        }

        var value = draft.Value;
        draft.Value = name.ToLowerInvariant() switch
        {
            "lsn" => value with { StartLsn = WalGJson.Lsn(ref reader, name) },
            "incrementformat" => value with { IncrementFormat = WalGJson.Text(ref reader, name) },
            "pgversion" => value with { PgVersion = WalGJson.Int32(ref reader, name) ?? 0 },
            "finishlsn" => value with { FinishLsn = WalGJson.Lsn(ref reader, name) },
            "systemidentifier" => value with { SystemIdentifier = WalGJson.UInt64(ref reader, name) },
            "uncompressedsize" => value with { UncompressedSize = WalGJson.Int64(ref reader, name) },
            "compressedsize" => value with { CompressedSize = WalGJson.Int64(ref reader, name) },
            "datacatalogsize" => value with { DataCatalogSize = WalGJson.Int64(ref reader, name) },
            "spec" => value with { Tablespaces = ReadSpec(ref reader) },
            "userdata" => value with { UserData = WalGJson.Any(ref reader) },
            "filesmetadatadisabled" => value with { FilesMetadataDisabled = WalGJson.Boolean(ref reader, name) },
            "chkpnum" => value with { CheckpointNumber = WalGJson.UInt32(ref reader, name) },
            "deltachkpnum" => value with { DeltaCheckpointNumber = WalGJson.UInt32(ref reader, name) },
            _ => ReadVersion2(value, ref reader, name),
        };
    }

    private static BackupSentinel ReadVersion2(BackupSentinel value, ref Utf8JsonReader reader, string name)
    {
        switch (name.ToLowerInvariant())
        {
            case "version":
                return value with { Version = WalGJson.Int32(ref reader, name) ?? 0 };
            case "starttime":
                return value with { StartTime = WalGJson.Time(ref reader, name) };
            case "finishtime":
                return value with { FinishTime = WalGJson.Time(ref reader, name) };
            case "datefmt":
                return value with { DateFormat = WalGJson.Text(ref reader, name) ?? "" };
            case "hostname":
                return value with { Hostname = WalGJson.Text(ref reader, name) ?? "" };
            case "datadir":
                return value with { DataDirectory = WalGJson.Text(ref reader, name) ?? "" };
            case "ispermanent":
                return value with { IsPermanent = WalGJson.Boolean(ref reader, name) };
            default:
                reader.Skip();
                return value;
        }
    }

    private static TablespaceSpec? ReadSpec(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Null ? null : TablespaceSpec.Read(ref reader);

    private void WriteDelta(Utf8JsonWriter writer)
    {
        writer.WriteNumberOrNull("LSN", StartLsn?.Value);
        if (Delta is { } delta)
        {
            writer.WriteNumber("DeltaLSN", delta.FromLsn.Value);
            writer.WriteString("DeltaFrom", delta.From);
            writer.WriteString("DeltaFullName", delta.FullName);
            writer.WriteNumber("DeltaCount", delta.Count);
        }

        if (IncrementFormat is not null)
        {
            writer.WriteString("IncrementFormat", IncrementFormat);
        }
    }

    private void WriteServer(Utf8JsonWriter writer)
    {
        writer.WriteNumber("PgVersion", PgVersion);
        writer.WriteNumberOrNull("FinishLSN", FinishLsn?.Value);
        if (SystemIdentifier is { } systemIdentifier)
        {
            writer.WriteNumber("SystemIdentifier", systemIdentifier);
        }

        writer.WriteNumber("UncompressedSize", UncompressedSize);
        writer.WriteNumber("CompressedSize", CompressedSize);
        if (DataCatalogSize != 0)
        {
            writer.WriteNumber("DataCatalogSize", DataCatalogSize);
        }

        Tablespaces?.Write(writer, "Spec");
        if (UserData is { } userData)
        {
            writer.WriteSorted("UserData", userData);
        }

        if (FilesMetadataDisabled)
        {
            writer.WriteBoolean("FilesMetadataDisabled", true);
        }

        writer.WriteNumberOrNull("ChkpNum", CheckpointNumber);
        if (DeltaCheckpointNumber is { } deltaCheckpointNumber)
        {
            writer.WriteNumber("DeltaChkpNum", deltaCheckpointNumber);
        }
    }

    /// <summary>The document while its keys come in, in any order.</summary>
    private sealed class Draft
    {
        private Lsn? fromLsn;
        private Lsn? legacyFromLsn;
        private string? from;
        private string? fullName;
        private int? count;

        public BackupSentinel Value { get; set; } = new() { Version = 0, DateFormat = "" };

        public bool ReadDelta(ref Utf8JsonReader reader, string name)
        {
            switch (name.ToLowerInvariant())
            {
                case "deltalsn":
                    fromLsn = WalGJson.Lsn(ref reader, name);
                    return true;
                case "deltafromlsn":
                    legacyFromLsn = WalGJson.Lsn(ref reader, name);
                    return true;
                case "deltafrom":
                    from = WalGJson.Text(ref reader, name);
                    return true;
                case "deltafullname":
                    fullName = WalGJson.Text(ref reader, name);
                    return true;
                case "deltacount":
                    count = WalGJson.Int32(ref reader, name);
                    return true;
                default:
                    return false;
            }
        }

        /// <summary>All four keys or none: half a delta restored as a full backup would lose data.</summary>
        public BackupDelta? Delta()
        {
            var lsn = fromLsn ?? legacyFromLsn;
            if (lsn is null && from is null && fullName is null && count is null)
            {
                return null;
            }

            return lsn is { } known && from is not null && fullName is not null && count is { } number
                ? new BackupDelta(known, from, fullName, number)
                : throw WalGJson.Unreadable(
                    What, "it has some of DeltaLSN, DeltaFrom, DeltaFullName and DeltaCount but not all of them");
        }
    }
}
