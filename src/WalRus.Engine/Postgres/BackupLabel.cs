using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace WalRus.Postgres;

/// <summary>
/// A backup_label, or the .backup history file that the archive gets when the backup ends. Source: PostgreSQL's
/// xlogbackup.c.
/// </summary>
public sealed partial record BackupLabel
{
    public const string FileName = "backup_label";

    public Lsn StartLsn { get; private init; }

    public WalFileName StartSegment { get; private init; }

    /// <summary>Only in the history file, which the archive gets when the backup ends.</summary>
    public Lsn? StopLsn { get; private init; }

    /// <summary>The segment that holds <see cref="StopLsn"/>; only in the history file.</summary>
    public WalFileName? StopSegment { get; private init; }

    public Lsn? Checkpoint { get; private init; }

    public TimelineId Timeline { get; private init; }

    /// <summary>True when the backup was taken from a standby.</summary>
    public bool FromStandby { get; private init; }

    public string Label { get; private init; } = "";

    /// <summary>As PostgreSQL printed it, in the server's log_timezone ("2026-11-22 21:08:51 UTC").</summary>
    public string StartTime { get; private init; } = "";

    /// <summary>For PostgreSQL's own incremental backups (17 and later) the start LSN of the one before; else null.</summary>
    public Lsn? IncrementalFrom { get; private init; }

    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>: the start location is missing or malformed.</exception>
    public static BackupLabel Parse(ReadOnlySpan<byte> file)
    {
        var lines = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in Encoding.UTF8.GetString(file).Split('\n'))
        {
            var colon = line.IndexOf(": ", StringComparison.Ordinal);
            if (colon > 0)
            {
                lines.TryAdd(line[..colon], line[(colon + 2)..].TrimEnd('\r'));
            }
        }

        var start = Location().Match(lines.GetValueOrDefault("START WAL LOCATION", ""));
        if (!start.Success || !Lsn.TryParse(start.Groups[1].Value, out var startLsn)
            || !WalFileName.TryParse(start.Groups[2].Value, out var segment))
        {
            throw new WalRusException(ErrorCode.BackupUnreadable, $"'{FileName}' has no START WAL LOCATION that can be read.");
        }

        var stop = Location().Match(lines.GetValueOrDefault("STOP WAL LOCATION", ""));
        return new BackupLabel
        {
            StartLsn = startLsn,
            StartSegment = segment,
            StopLsn = stop.Success && Lsn.TryParse(stop.Groups[1].Value, out var stopLsn) ? stopLsn : null,
            StopSegment = stop.Success && WalFileName.TryParse(stop.Groups[2].Value, out var stopSegment) ? stopSegment : null,
            StartTime = lines.GetValueOrDefault("START TIME", ""),
            IncrementalFrom = Lsn.TryParse(lines.GetValueOrDefault("INCREMENTAL FROM LSN"), out var from) ? from : null,
            Checkpoint = Lsn.TryParse(lines.GetValueOrDefault("CHECKPOINT LOCATION"), out var checkpoint) ? checkpoint : null,
            Timeline = uint.TryParse(
                lines.GetValueOrDefault("START TIMELINE"), NumberStyles.None, CultureInfo.InvariantCulture, out var timeline)
                ? new TimelineId(timeline)
                : segment.Timeline,
            FromStandby = lines.GetValueOrDefault("BACKUP FROM") == "standby",
            Label = lines.GetValueOrDefault("LABEL", ""),
        };
    }

    [GeneratedRegex(@"^([0-9A-F]{1,8}/[0-9A-F]{1,8}) \(file ([0-9A-F]{24})\)$", RegexOptions.None, 1000)]
    private static partial Regex Location();
}
