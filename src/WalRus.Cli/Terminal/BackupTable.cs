using System.Globalization;
using System.Text.Json;
using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Cli.Terminal;

/// <summary>What a listing shows of one backup when only its sentinel's key and time are known.</summary>
/// <param name="Name">The backup's name.</param>
/// <param name="Modified">The sentinel's modification time.</param>
/// <param name="StorageName">wal-g's storage name.</param>
/// <param name="Detail">Null without --detail.</param>
internal sealed record BackupLine(BackupName Name, DateTimeOffset Modified, string StorageName, BackupDetail? Detail);

/// <summary>wal-g's backup-list output, to the byte: plain columns, a boxed table, JSON.</summary>
internal static class BackupTable
{
    private static readonly string[] PlainTitles = ["backup_name", "modified", "wal_file_name", "storage_name"];

    private static readonly string[] PlainDetailTitles =
        ["start_time", "finish_time", "hostname", "data_dir", "pg_version", "start_lsn", "finish_lsn", "is_permanent"];

    private static readonly string[] BoxedTitles = ["#", "Backup name", "Modified", "WAL file name", "Storage name"];

    private static readonly string[] BoxedDetailTitles =
        ["Start time", "Finish time", "Hostname", "Datadir", "PG version", "Start LSN", "Finish LSN", "Permanent"];

    public static void WritePlain(TextWriter output, IReadOnlyList<BackupLine> backups, bool detail)
    {
        if (backups.Count > 0)
        {
            TextTable.WritePlain(
                output,
                [[.. PlainTitles, .. detail ? PlainDetailTitles : []], .. backups.Select(backup => Cells(backup, Rfc3339))]);
        }
    }

    public static void WriteBoxed(TextWriter output, IReadOnlyList<BackupLine> backups, bool detail)
    {
        if (backups.Count > 0)
        {
            TextTable.WriteBoxed(
                output,
                [
                    [.. BoxedTitles, .. detail ? BoxedDetailTitles : []],
                    .. backups.Select((backup, i) => (IReadOnlyList<string>)
                        [i.ToString(CultureInfo.InvariantCulture), .. Cells(backup, Rfc850)]),
                ],
                column => column == 0);
        }
    }

    public static void WriteJson(TextWriter output, IReadOnlyList<BackupLine> backups, bool indented) => JsonOutput.Write(
        output,
        indented,
        writer =>
        {
            writer.WriteStartArray();
            foreach (var backup in backups)
            {
                WriteJson(writer, backup);
            }

            writer.WriteEndArray();
        });

    public static void WriteJson(Utf8JsonWriter writer, BackupLine backup)
    {
        writer.WriteStartObject();
        writer.WriteString("backup_name", backup.Name.ToString());
        writer.WriteTime("time", WalGTime.FromDateTimeOffset(backup.Modified.ToUniversalTime()));
        writer.WriteString("wal_file_name", backup.Name.StartSegment.ToString());
        writer.WriteString("storage_name", backup.StorageName);
        if (backup.Detail is { } detail)
        {
            WriteDetail(writer, detail);
        }

        writer.WriteEndObject();
    }

    private static void WriteDetail(Utf8JsonWriter writer, BackupDetail detail)
    {
        writer.WriteTime("start_time", TimeOf(detail.StartTime));
        writer.WriteTime("finish_time", TimeOf(detail.FinishTime));
        writer.WriteString("date_fmt", BackupSentinel.ConstantDateFormat);
        writer.WriteString("hostname", detail.Hostname);
        writer.WriteString("data_dir", detail.DataDirectory);
        writer.WriteNumber("pg_version", detail.PgVersion);
        writer.WriteNumber("start_lsn", detail.StartLsn.Value);
        writer.WriteNumber("finish_lsn", detail.FinishLsn.Value);
        writer.WriteBoolean("is_permanent", detail.IsPermanent);
        writer.WriteNumberOrNull("system_identifier", detail.SystemIdentifier);
        writer.WriteNumber("uncompressed_size", detail.UncompressedSize);
        writer.WriteNumber("compressed_size", detail.CompressedSize);
        if (detail.UserData is { } userData)
        {
            writer.WriteSorted("user_data", userData);
        }
    }

    private static WalGTime TimeOf(DateTimeOffset? time) => time is { } known ? WalGTime.FromDateTimeOffset(known) : default;

    private static string[] Cells(BackupLine backup, Func<DateTimeOffset?, string> time)
    {
        string[] cells =
            [backup.Name.ToString(), time(backup.Modified), backup.Name.StartSegment.ToString(), backup.StorageName];
        return backup.Detail is not { } detail ? cells :
        [
            .. cells,
            time(detail.StartTime),
            time(detail.FinishTime),
            detail.Hostname,
            detail.DataDirectory,
            detail.PgVersion.ToString(CultureInfo.InvariantCulture),
            detail.StartLsn.ToString(),
            detail.FinishLsn.ToString(),
            detail.IsPermanent ? "true" : "false",
        ];
    }

    internal static string Rfc3339(DateTimeOffset? time) => Text(time, "yyyy-MM-dd'T'HH:mm:ss'Z'");

    internal static string Rfc850(DateTimeOffset? time) => Text(time, "dddd, dd-MMM-yy HH:mm:ss 'UTC'");

    private static string Text(DateTimeOffset? time, string format) =>
        time?.UtcDateTime.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
