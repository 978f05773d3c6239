using System.Globalization;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>What an object of the WAL folder is.</summary>
public enum WalObjectKind
{
    /// <summary>Nothing that wal-g, WAL-RUS or WalRus writes: never counted, never deleted.</summary>
    Foreign,

    /// <summary>A whole segment.</summary>
    Segment,

    /// <summary>A segment cut short by the end of its timeline.</summary>
    PartialSegment,

    /// <summary>A timeline's history.</summary>
    TimelineHistory,

    /// <summary>The file that PostgreSQL archives when a base backup ends, "….00000028.backup".</summary>
    BackupHistory,

    /// <summary>The blocks changed in a group of 16 segments, "…_delta", and the files, "…_delta_files", which is ours.</summary>
    DeltaSidecar,

    /// <summary>WAL metadata: of one file, or (23 digits) of the 16 that start so.</summary>
    Metadata,
}

/// <summary>
/// The name of an object in the WAL folder, taken apart: "000000010000000000000004.lz4" is segment …04 compressed with
/// lz4. Source: wal-g's layout 005; names that wal-g merely tolerates (another case, an unknown extension) are foreign.
/// </summary>
public readonly record struct WalObjectName
{
    private const int HistoryDigits = 8;
    private const int OffsetDigits = 8;
    private const int MetadataGroupDigits = WalFileName.Length - 1;
    private const string HexDigits = "0123456789ABCDEF";

    /// <summary>Every codec extension that wal-g has written, lzo included, which no tool of today writes.</summary>
    private static readonly string[] Extensions = ["lz4", "lzma", "zst", "br", "gz", "lzo"];

    private WalObjectName(WalObjectKind kind, string fileName, string extension)
    {
        Kind = kind;
        FileName = fileName;
        Extension = extension;
    }

    public WalObjectKind Kind { get; }

    /// <summary>The name without the codec's extension: what PostgreSQL calls the file, for all but sidecars and metadata.</summary>
    public string FileName { get; }

    /// <summary>The codec's extension, or "".</summary>
    public string Extension { get; }

    /// <summary>
    /// The segment it is, or belongs to: of a backup history the one the backup starts in, of a sidecar or group metadata the
    /// first of the group. Null for histories and foreign objects.
    /// </summary>
    public WalFileName? Segment { get; private init; }

    /// <summary>The timeline it belongs to; null for foreign objects.</summary>
    public TimelineId? Timeline { get; private init; }

    /// <summary>True for what is of 16 segments in a row, <see cref="Segment"/> being the first.</summary>
    public bool CoversGroup => Kind == WalObjectKind.DeltaSidecar
        || (Kind == WalObjectKind.Metadata && FileName.Length == MetadataGroupDigits + ".json".Length);

    /// <summary>Takes a name apart; what is not known is <see cref="WalObjectKind.Foreign"/>.</summary>
    /// <param name="name">The last part of the object's key.</param>
    public static WalObjectName Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var dot = name.LastIndexOf('.');
        var extension = dot >= 0 && Array.IndexOf(Extensions, name[(dot + 1)..]) >= 0 ? name[(dot + 1)..] : "";
        var fileName = extension.Length > 0 ? name[..dot] : name;
        var (kind, segment, timeline) = Classify(fileName, isPlain: extension.Length == 0);
        return new WalObjectName(kind, kind == WalObjectKind.Foreign ? name : fileName, extension)
        {
            Segment = segment,
            Timeline = timeline ?? segment?.Timeline,
        };
    }

    private static (WalObjectKind Kind, WalFileName? Segment, TimelineId? Timeline) Classify(
        ReadOnlySpan<char> name, bool isPlain)
    {
        if (TryHistory(name, out var timeline))
        {
            return (WalObjectKind.TimelineHistory, null, timeline);
        }

        if (name.Length >= WalFileName.Length && WalFileName.TryParse(name[..WalFileName.Length], out var segment))
        {
            var kind = name[WalFileName.Length..] switch
            {
                "" => WalObjectKind.Segment,
                ".partial" => WalObjectKind.PartialSegment,
                "_delta" or "_delta_files" => WalObjectKind.DeltaSidecar,
                var rest when IsBackupHistory(rest) => WalObjectKind.BackupHistory,
                ".json" or ".partial.json" when isPlain => WalObjectKind.Metadata,
                var rest when isPlain && IsMetadataOfBackupHistory(rest) => WalObjectKind.Metadata,
                _ => WalObjectKind.Foreign,
            };
            return kind == WalObjectKind.Foreign ? default : (kind, segment, null);
        }

        return isPlain ? ClassifyOtherMetadata(name) : default;
    }

    private static (WalObjectKind Kind, WalFileName? Segment, TimelineId? Timeline) ClassifyOtherMetadata(
        ReadOnlySpan<char> name)
    {
        if (!name.EndsWith(".json", StringComparison.Ordinal))
        {
            return default;
        }

        var described = name[..^".json".Length];
        if (TryHistory(described, out var timeline))
        {
            return (WalObjectKind.Metadata, null, timeline);
        }

        return described.Length == MetadataGroupDigits && WalFileName.TryParse($"{described}0", out var first)
            ? (WalObjectKind.Metadata, first, null)
            : default;
    }

    private static bool TryHistory(ReadOnlySpan<char> name, out TimelineId timeline)
    {
        timeline = default;
        if (name.Length < HistoryDigits || name[HistoryDigits..] is not ".history" || !IsHex(name[..HistoryDigits]))
        {
            return false;
        }

        timeline = new TimelineId(
            uint.Parse(name[..HistoryDigits], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return timeline.Value != 0;
    }

    /// <summary>".00000028.backup"</summary>
    private static bool IsBackupHistory(ReadOnlySpan<char> rest) =>
        rest.Length > OffsetDigits && rest[0] == '.' && IsHex(rest[1..(1 + OffsetDigits)])
        && rest[(1 + OffsetDigits)..] is ".backup";

    private static bool IsMetadataOfBackupHistory(ReadOnlySpan<char> rest) =>
        rest.EndsWith(".json", StringComparison.Ordinal) && IsBackupHistory(rest[..^".json".Length]);

    private static bool IsHex(ReadOnlySpan<char> text) => text.IndexOfAnyExcept(HexDigits) < 0;
}
