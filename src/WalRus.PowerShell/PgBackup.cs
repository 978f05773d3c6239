using System.Management.Automation;
using System.Text.Json;
using WalRus.Archiving;

namespace WalRus.Cmdlets;

/// <summary>
/// A backup as cmdlets emit it. Names, LSNs and the like are text, not the engine's value types: PowerShell binds a
/// property to a parameter by name only where it needs no conversion, and ConvertTo-Json writes a value type as its parts.
/// </summary>
public sealed class PgBackup
{
    public required string Name { get; init; }

    /// <summary>When the backup became part of the archive; the order of a listing.</summary>
    public required DateTimeOffset Modified { get; init; }

    public DateTimeOffset? StartTime { get; init; }

    public DateTimeOffset? FinishTime { get; init; }

    public string Hostname { get; init; } = "";

    public string DataDirectory { get; init; } = "";

    /// <summary><c>server_version_num</c>, e.g. 160003.</summary>
    public int PgVersion { get; init; }

    public ulong? SystemIdentifier { get; init; }

    public uint Timeline { get; init; }

    public string StartLsn { get; init; } = "";

    public string FinishLsn { get; init; } = "";

    /// <summary>The WAL segment where replay starts.</summary>
    public string StartSegment { get; init; } = "";

    /// <summary>Bytes when restored.</summary>
    public long UncompressedSize { get; init; }

    /// <summary>Bytes in the store.</summary>
    public long CompressedSize { get; init; }

    /// <summary>Retention keeps it.</summary>
    public bool IsPermanent { get; init; }

    public bool IsDelta { get; init; }

    /// <summary>For a delta its parent.</summary>
    public string? DeltaFrom { get; init; }

    /// <summary>For a delta the full backup its chain starts from.</summary>
    public string? DeltaFullName { get; init; }

    /// <summary>
    /// From New-BaseBackup only: why the backup was made otherwise than asked, such as full instead of a delta. Null when
    /// it was made as asked.
    /// </summary>
    public string? Fallback { get; init; }

    public string StorageName { get; init; } = "";

    /// <summary>What was kept with the backup, as ConvertFrom-Json would give it.</summary>
    public object? UserData { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal static PgBackup From(BackupDetail detail, string? fallback = null) => new()
    {
        Name = detail.Name.ToString(),
        Modified = detail.Modified,
        StartTime = detail.StartTime,
        FinishTime = detail.FinishTime,
        Hostname = detail.Hostname,
        DataDirectory = detail.DataDirectory,
        PgVersion = detail.PgVersion,
        SystemIdentifier = detail.SystemIdentifier,
        Timeline = detail.Timeline.Value,
        StartLsn = detail.StartLsn.ToString(),
        FinishLsn = detail.FinishLsn.ToString(),
        StartSegment = detail.StartSegment.ToString(),
        UncompressedSize = detail.UncompressedSize,
        CompressedSize = detail.CompressedSize,
        IsPermanent = detail.IsPermanent,
        IsDelta = detail.IsDelta,
        DeltaFrom = detail.DeltaFrom,
        DeltaFullName = detail.DeltaFullName,
        Fallback = fallback,
        StorageName = detail.StorageName,
        UserData = detail.UserData is { } data ? ToObject(data) : null,
    };

    private static object? ToObject(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => ToCustomObject(element),
        JsonValueKind.Array => element.EnumerateArray().Select(ToObject).ToArray(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.TryGetInt64(out var whole) ? whole : element.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    private static PSObject ToCustomObject(JsonElement element)
    {
        var made = new PSObject();
        foreach (var property in element.EnumerateObject())
        {
            // JSON allows a name twice and names that differ by case; PowerShell's objects do not. The last wins.
            made.Properties.Remove(property.Name);
            made.Properties.Add(new PSNoteProperty(property.Name, ToObject(property.Value)));
        }

        return made;
    }
}
