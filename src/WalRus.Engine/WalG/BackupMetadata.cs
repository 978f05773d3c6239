using System.Text.Json;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>
/// A backup's <c>metadata.json</c>: a summary, and wal-g's authority for permanence and user data. Source: wal-g's
/// layout 005.
/// </summary>
public sealed record BackupMetadata
{
    private const string What = "backup's metadata.json";
    private const string ServerRunKey = "walrus_server_run";
    private const string ProcessIdKey = "walrus_process_id";

    public WalGTime StartTime { get; init; }

    public WalGTime FinishTime { get; init; }

    public string DateFormat { get; init; } = BackupSentinel.ConstantDateFormat;

    public string Hostname { get; init; } = "";

    public string DataDirectory { get; init; } = "";

    /// <summary><c>server_version_num</c>.</summary>
    public int PgVersion { get; init; }

    public Lsn StartLsn { get; init; }

    public Lsn FinishLsn { get; init; }

    public bool IsPermanent { get; init; }

    public ulong? SystemIdentifier { get; init; }

    /// <summary>Bytes of tar payload.</summary>
    public long UncompressedSize { get; init; }

    /// <summary>Bytes stored.</summary>
    public long CompressedSize { get; init; }

    public JsonElement? UserData { get; init; }

    /// <summary>
    /// Only in the first metadata.json of a backup that is being made: the run of the server it is made of. wal-g passes
    /// over such keys, and the final document is without them.
    /// </summary>
    public string? ServerRun { get; init; }

    /// <summary>With <see cref="ServerRun"/>: the process on <see cref="Hostname"/> that makes the backup.</summary>
    public int? ProcessId { get; init; }

    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public static BackupMetadata Parse(ReadOnlySpan<byte> json)
    {
        var draft = new Draft();
        WalGJson.ReadObject(json, What, draft, ReadMember);
        return draft.Value;
    }

    /// <summary>The document as wal-g writes it, to the byte.</summary>
    public byte[] ToJson() => WalGJson.Write(writer =>
    {
        writer.WriteTime("start_time", StartTime);
        writer.WriteTime("finish_time", FinishTime);
        writer.WriteString("date_fmt", DateFormat);
        writer.WriteString("hostname", Hostname);
        writer.WriteString("data_dir", DataDirectory);
        writer.WriteNumber("pg_version", PgVersion);
        writer.WriteNumber("start_lsn", StartLsn.Value);
        writer.WriteNumber("finish_lsn", FinishLsn.Value);
        writer.WriteBoolean("is_permanent", IsPermanent);
        writer.WriteNumberOrNull("system_identifier", SystemIdentifier);
        writer.WriteNumber("uncompressed_size", UncompressedSize);
        writer.WriteNumber("compressed_size", CompressedSize);
        if (UserData is { } userData)
        {
            writer.WriteSorted("user_data", userData);
        }

        if (ServerRun is not null && ProcessId is { } process)
        {
            writer.WriteString(ServerRunKey, ServerRun);
            writer.WriteNumber(ProcessIdKey, process);
        }
    });

    private static void ReadMember(Draft draft, ref Utf8JsonReader reader, string name)
    {
        draft.Value = name.ToLowerInvariant() switch
        {
            "start_time" => draft.Value with { StartTime = WalGJson.Time(ref reader, name) },
            "finish_time" => draft.Value with { FinishTime = WalGJson.Time(ref reader, name) },
            "date_fmt" => draft.Value with { DateFormat = WalGJson.Text(ref reader, name) ?? "" },
            "hostname" => draft.Value with { Hostname = WalGJson.Text(ref reader, name) ?? "" },
            "data_dir" => draft.Value with { DataDirectory = WalGJson.Text(ref reader, name) ?? "" },
            "pg_version" => draft.Value with { PgVersion = WalGJson.Int32(ref reader, name) ?? 0 },
            "start_lsn" => draft.Value with { StartLsn = WalGJson.Lsn(ref reader, name) ?? default },
            "finish_lsn" => draft.Value with { FinishLsn = WalGJson.Lsn(ref reader, name) ?? default },
            "is_permanent" => draft.Value with { IsPermanent = WalGJson.Boolean(ref reader, name) },
            "system_identifier" => draft.Value with { SystemIdentifier = WalGJson.UInt64(ref reader, name) },
            "uncompressed_size" => draft.Value with { UncompressedSize = WalGJson.Int64(ref reader, name) },
            "compressed_size" => draft.Value with { CompressedSize = WalGJson.Int64(ref reader, name) },
            ServerRunKey => draft.Value with { ServerRun = WalGJson.Text(ref reader, name) },
            ProcessIdKey => draft.Value with { ProcessId = WalGJson.Int32(ref reader, name) },
            "user_data" => draft.Value with { UserData = WalGJson.Any(ref reader) },
            _ => Ignored(draft.Value, ref reader),
        };
    }

    private static BackupMetadata Ignored(BackupMetadata value, ref Utf8JsonReader reader)
    {
        reader.Skip();
        return value;
    }

    private sealed class Draft
    {
        public BackupMetadata Value { get; set; } = new();
    }
}
