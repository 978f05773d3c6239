using WalRus.Postgres;

namespace WalRus.Wal;

/// <summary>What PostgreSQL hands to archive_command and asks restore_command for.</summary>
internal enum WalFileKind
{
    Segment,
    PartialSegment,
    TimelineHistory,
    BackupHistory,
}

/// <summary>The name of a file PostgreSQL archives, told apart by its form.</summary>
/// <param name="Segment">The segment in the name; null for a timeline history file.</param>
internal readonly record struct WalFile(string Name, WalFileKind Kind, WalFileName? Segment)
{
    /// <summary>
    /// 24 hex digits, those with ".partial" or ".XXXXXXXX.backup", or eight hex digits with ".history" (PostgreSQL,
    /// xlog_internal.h). Anything else is not WAL.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.WalSegmentInvalid"/>.</exception>
    public static WalFile Parse(string name) => TryParse(name, out var file) ? file : throw new WalRusException(
        ErrorCode.WalSegmentInvalid,
        $"'{name}' is not the name of a WAL file.",
        "A WAL file is a segment (24 hex digits), or one with .partial or .XXXXXXXX.backup, or XXXXXXXX.history: give PostgreSQL's %p or %f.");

    /// <summary>As <see cref="Parse"/>, without the error.</summary>
    public static bool TryParse(string name, out WalFile file)
    {
        file = default;
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        var stem = dot < 0 ? name : name[..dot];
        var suffix = dot < 0 ? "" : name[dot..];
        if (suffix == ".history" && stem.Length == 8 && IsHex(stem))
        {
            file = new WalFile(name, WalFileKind.TimelineHistory, null);
            return true;
        }

        if (!WalFileName.TryParse(stem, out var segment))
        {
            return false;
        }

        switch (suffix)
        {
            case "": file = new WalFile(name, WalFileKind.Segment, segment); return true;
            case ".partial": file = new WalFile(name, WalFileKind.PartialSegment, segment); return true;
            case { Length: 16 } when suffix.EndsWith(".backup", StringComparison.Ordinal) && IsHex(suffix[1..9]):
                file = new WalFile(name, WalFileKind.BackupHistory, segment);
                return true;
            default: return false;
        }
    }

    private static bool IsHex(string text) => text.AsSpan().IndexOfAnyExcept("0123456789ABCDEF") < 0;
}
