using System.Text.Json;

namespace WalRus.WalG;

/// <summary>One tablespace of a specification.</summary>
/// <param name="Name">The name of its link below pg_tblspc: the OID in decimal.</param>
/// <param name="Location">The directory the link leads to.</param>
/// <param name="Link">The link relative to the data directory, "pg_tblspc/16400".</param>
public sealed record TablespaceSpecEntry(string Name, string Location, string Link);

/// <summary>
/// Where a backup's tablespaces were: the sentinel's <c>Spec</c>, and the file that wal-g's <c>--restore-spec</c> takes.
/// Source: wal-g's layout 005.
/// </summary>
public sealed record TablespaceSpec
{
    /// <summary>The data directory that the links are relative to, without a trailing slash; empty in some of WAL-E's.</summary>
    public required string BasePrefix { get; init; }

    public required IReadOnlyList<TablespaceSpecEntry> Entries { get; init; }

    /// <summary>Reads the file of <c>--restore-spec</c>.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.TablespaceMappingInvalid"/>.</exception>
    public static TablespaceSpec ParseRestoreSpec(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json, WalGJson.ReaderOptions);
            reader.Read();
            var spec = Read(ref reader);
            reader.Read();
            return spec.BasePrefix.Length > 0 ? spec : throw new JsonException("'base_prefix' is missing");
        }
        catch (Exception exception) when (WalGJson.IsMalformed(exception))
        {
            throw new WalRusException(
                ErrorCode.TablespaceMappingInvalid, $"The restore specification cannot be read: {exception.Message}",
                """Write it as {"base_prefix":"/restored/data","tablespaces":["16400"],"16400":{"loc":"/mnt/ts1","link":"pg_tblspc/16400"}}.""",
                exception);
        }
    }

    public byte[] ToJson() => WalGJson.Write(WriteMembers);

    /// <summary>Reads the value the reader stands on. Every listed tablespace must have its entry.</summary>
    /// <exception cref="JsonException">It is not a specification.</exception>
    internal static TablespaceSpec Read(ref Utf8JsonReader reader)
    {
        var root = JsonElement.ParseValue(ref reader);
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("the tablespace specification is not an object");
        }

        var prefix = TextOf(root, "base_prefix") ?? "";
        return new TablespaceSpec
        {
            BasePrefix = prefix.Length > 1 ? prefix.TrimEnd('/') : prefix,
            Entries = ReadEntries(root),
        };
    }

    internal void Write(Utf8JsonWriter writer, string name)
    {
        writer.WriteStartObject(name);
        WriteMembers(writer);
        writer.WriteEndObject();
    }

    private static List<TablespaceSpecEntry> ReadEntries(JsonElement root)
    {
        var entries = new List<TablespaceSpecEntry>();
        if (!root.TryGetProperty("tablespaces", out var names) || names.ValueKind == JsonValueKind.Null)
        {
            return entries;
        }

        foreach (var item in names.EnumerateArray())
        {
            var name = item.ValueKind == JsonValueKind.String ? item.GetString()! : throw new JsonException(
                "'tablespaces' holds something else than names");
            if (!root.TryGetProperty(name, out var entry) || entry.ValueKind != JsonValueKind.Object
                || TextOf(entry, "loc") is not { } location || TextOf(entry, "link") is not { } link)
            {
                throw new JsonException($"tablespace '{name}' has no 'loc' and 'link'");
            }

            entries.Add(new TablespaceSpecEntry(name, location, link));
        }

        return entries;
    }

    private static string? TextOf(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>wal-g marshals a map, so keys are sorted; the list of names keeps its order.</summary>
    private void WriteMembers(Utf8JsonWriter writer)
    {
        var byName = Entries.DistinctBy(entry => entry.Name).ToDictionary(entry => entry.Name);
        foreach (var key in byName.Keys.Append("base_prefix").Append("tablespaces").Order(StringComparer.Ordinal))
        {
            if (byName.TryGetValue(key, out var entry))
            {
                writer.WriteStartObject(key);
                writer.WriteString("loc", entry.Location);
                writer.WriteString("link", entry.Link);
                writer.WriteEndObject();
            }
            else if (key == "base_prefix")
            {
                writer.WriteString(key, BasePrefix);
            }
            else
            {
                WriteNames(writer, key);
            }
        }
    }

    private void WriteNames(Utf8JsonWriter writer, string key)
    {
        writer.WriteStartArray(key);
        foreach (var entry in Entries)
        {
            writer.WriteStringValue(entry.Name);
        }

        writer.WriteEndArray();
    }
}
