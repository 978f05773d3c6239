using System.Text;
using System.Text.Json;

namespace WalRus.Configuration;

/// <summary>One JSON object: scalars as their text, null as not set, objects and lists as their JSON.</summary>
internal static class JsonConfiguration
{
    public static Dictionary<string, ConfigurationEntry> Parse(string path, ReadOnlySpan<byte> content)
    {
        var entries = new Dictionary<string, ConfigurationEntry>(StringComparer.OrdinalIgnoreCase);
        var reader = new Utf8JsonReader(content, new JsonReaderOptions { MaxDepth = 16 });
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                throw ConfigurationFile.Invalid(path, 1, "it must be one JSON object");
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var name = reader.GetString()!;
                reader.Read();
                var line = LineOf(content, reader.TokenStartIndex);
                if (entries.ContainsKey(name))
                {
                    throw ConfigurationFile.Invalid(path, line, $"'{name}' is set twice");
                }

                if (Entry(ref reader, content, line) is { } entry)
                {
                    entries.Add(name, entry);
                }
            }

            // Reading on makes the reader refuse what follows the object.
            reader.Read();
            return entries;
        }
        catch (JsonException failure)
        {
            // Without the parser's own words: they may quote the file, and the file may hold a key.
            throw ConfigurationFile.Invalid(path, (int)(failure.LineNumber ?? 0) + 1, "it is not valid JSON");
        }
        catch (InvalidOperationException)
        {
            throw ConfigurationFile.Invalid(path, LineOf(content, reader.TokenStartIndex), "a text in it is not valid UTF-8");
        }
    }

    private static ConfigurationEntry? Entry(ref Utf8JsonReader reader, ReadOnlySpan<byte> content, int line)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.Null:
                return null;
            case JsonTokenType.String:
                return new ConfigurationEntry(reader.GetString()!, line, false);
            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                return new ConfigurationEntry(Encoding.UTF8.GetString(content[start..(int)reader.BytesConsumed]), line, true);
            default:
                return new ConfigurationEntry(Encoding.UTF8.GetString(reader.ValueSpan).ToLowerInvariant(), line, false);
        }
    }

    private static int LineOf(ReadOnlySpan<byte> content, long position) => content[..(int)position].Count((byte)'\n') + 1;
}
