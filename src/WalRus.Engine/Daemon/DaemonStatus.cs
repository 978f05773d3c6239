using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using WalRus.WalG;

namespace WalRus.Daemon;

/// <summary>
/// What a daemon says about itself. Its JSON is the answer to a status request; names and meanings stay, more may come.
/// </summary>
public sealed record DaemonStatus
{
    private static DaemonStatusJson Json { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = GoJsonEncoder.Instance,
    });

    public string Version { get; init; } = "";

    public int ProcessId { get; init; }

    public string Socket { get; init; } = "";

    /// <summary>Where it archives to, without secrets.</summary>
    public string Archive { get; init; } = "";

    /// <summary>PGDATA; null when the daemon was not given one.</summary>
    public string? DataDirectory { get; init; }

    public DateTimeOffset Started { get; init; }

    public double UptimeSeconds { get; init; }

    [JsonIgnore]
    public TimeSpan Uptime => TimeSpan.FromSeconds(UptimeSeconds);

    /// <summary>It finishes what is under way and takes no more.</summary>
    public bool IsStopping { get; init; }

    /// <summary>Resident memory, and the most it ever was.</summary>
    public long RssBytes { get; init; }

    public long RssPeakBytes { get; init; }

    /// <summary>The most address space it ever had, which ulimit -v and vm.overcommit_memory count.</summary>
    public long VmPeakBytes { get; init; }

    /// <summary>Data buffers in use, of the budget WALRUS_BUFFER_BUDGET.</summary>
    public long BuffersRentedBytes { get; init; }

    public long BufferBudgetBytes { get; init; }

    public int LanesBusy { get; init; }

    public int LanesTotal { get; init; }

    /// <summary>Files durable in the archive that PostgreSQL has not asked for yet.</summary>
    public int Ahead { get; init; }

    /// <summary>Files that wait in archive_status.</summary>
    public int Backlog { get; init; }

    /// <summary>False when there are more than were counted.</summary>
    public bool IsBacklogExact { get; init; } = true;

    public int Connections { get; init; }

    /// <summary>Files PostgreSQL was told are archived, since the start; so are all counts.</summary>
    public long Archived { get; init; }

    /// <summary>Files stored, those ahead of PostgreSQL included.</summary>
    public long Uploaded { get; init; }

    /// <summary>Their size, and what was stored of it.</summary>
    public long UploadedBytes { get; init; }

    public long StoredBytes { get; init; }

    public long Fetched { get; init; }

    /// <summary>Requests answered with an error.</summary>
    public long Failed { get; init; }

    /// <summary>Files a second and bytes of them a second, over the last minute (or since the start, if that is less).</summary>
    public double UploadedPerSecond { get; init; }

    public double BytesPerSecond { get; init; }

    public string? LastArchived { get; init; }

    public DateTimeOffset? LastArchivedTime { get; init; }

    public string? LastError { get; init; }

    public DateTimeOffset? LastErrorTime { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, Json.DaemonStatus);

    /// <summary>The same document for people, whatever else a newer daemon put into it.</summary>
    public static string Indent(string json)
    {
        using var document = JsonDocument.Parse(json);
        using var indented = new MemoryStream();
        using (var writer = new Utf8JsonWriter(indented, new JsonWriterOptions { Indented = true, Encoder = GoJsonEncoder.Instance }))
        {
            document.WriteTo(writer);
        }

        return Encoding.UTF8.GetString(indented.ToArray());
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.DaemonProtocolViolation"/>.</exception>
    public static DaemonStatus Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, Json.DaemonStatus) ?? throw new JsonException("it is null");
        }
        catch (JsonException wrong)
        {
            throw new WalRusException(
                ErrorCode.DaemonProtocolViolation,
                $"The daemon's status cannot be read: {wrong.Message}",
                "Use the client of the daemon's own version.",
                wrong);
        }
    }
}

[JsonSerializable(typeof(DaemonStatus))]
internal sealed partial class DaemonStatusJson : JsonSerializerContext;
