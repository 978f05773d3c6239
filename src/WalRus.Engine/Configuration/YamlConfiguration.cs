using System.Globalization;
using System.Text;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace WalRus.Configuration;

/// <summary>
/// One YAML mapping, read by the event parser (the deserializer needs reflection): scalars as their text, null as not
/// set, mappings and sequences as their JSON. Anchors, aliases and further documents are refused.
/// </summary>
internal sealed class YamlConfiguration
{
    private const int MaxDepth = 16;

    private readonly string path;
    private readonly Parser parser;

    private YamlConfiguration(string path, TextReader text)
    {
        this.path = path;
        parser = new Parser(text);
    }

    public static Dictionary<string, ConfigurationEntry> Parse(string path, ReadOnlySpan<byte> content)
    {
        try
        {
            var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content);
            return new YamlConfiguration(path, new StringReader(text)).Document();
        }
        catch (DecoderFallbackException)
        {
            throw ConfigurationFile.Invalid(path, 0, "it is not UTF-8 text");
        }
        catch (YamlException failure)
        {
            // Without the parser's own words: they may quote the file, and the file may hold a key.
            throw ConfigurationFile.Invalid(path, (int)failure.Start.Line, "it is not valid YAML");
        }
    }

    private Dictionary<string, ConfigurationEntry> Document()
    {
        var entries = new Dictionary<string, ConfigurationEntry>(StringComparer.OrdinalIgnoreCase);
        parser.Consume<StreamStart>();
        if (parser.TryConsume<StreamEnd>(out _))
        {
            return entries;
        }

        parser.Consume<DocumentStart>();
        if (parser.TryConsume<Scalar>(out var nothing) && IsNull(nothing))
        {
            return entries;
        }

        if (nothing is not null || !parser.TryConsume<MappingStart>(out _))
        {
            throw ConfigurationFile.Invalid(path, 1, "it must be one mapping of names to values");
        }

        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var name = Key();
            var line = (int)parser.Current!.Start.Line;
            if (entries.ContainsKey(name))
            {
                throw ConfigurationFile.Invalid(path, line, $"'{name}' is set twice");
            }

            if (Entry(line) is { } entry)
            {
                entries.Add(name, entry);
            }
        }

        parser.Consume<DocumentEnd>();
        return parser.TryConsume<StreamEnd>(out _)
            ? entries
            : throw ConfigurationFile.Invalid(path, (int)parser.Current!.Start.Line, "it holds more than one document");
    }

    private string Key()
    {
        if (!parser.TryConsume<Scalar>(out var key) || key.Value.Length == 0)
        {
            throw ConfigurationFile.Invalid(path, (int)parser.Current!.Start.Line, "a name must be plain text");
        }

        return key.Value;
    }

    private ConfigurationEntry? Entry(int line)
    {
        if (parser.TryConsume<Scalar>(out var scalar))
        {
            return IsNull(scalar) ? null : new ConfigurationEntry(scalar.Value, line, false);
        }

        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            Nested(writer, 0);
        }

        return new ConfigurationEntry(Encoding.UTF8.GetString(json.ToArray()), line, true);
    }

    private void Nested(Utf8JsonWriter writer, int depth)
    {
        if (depth > MaxDepth)
        {
            throw ConfigurationFile.Invalid(path, (int)parser.Current!.Start.Line, "it is nested too deeply");
        }

        if (parser.TryConsume<Scalar>(out var scalar))
        {
            Write(writer, scalar);
        }
        else if (parser.TryConsume<SequenceStart>(out _))
        {
            writer.WriteStartArray();
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                Nested(writer, depth + 1);
            }

            writer.WriteEndArray();
        }
        else if (parser.TryConsume<MappingStart>(out _))
        {
            writer.WriteStartObject();
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                writer.WritePropertyName(Key());
                Nested(writer, depth + 1);
            }

            writer.WriteEndObject();
        }
        else
        {
            throw ConfigurationFile.Invalid(path, (int)parser.Current!.Start.Line, "aliases are not read");
        }
    }

    private static void Write(Utf8JsonWriter writer, Scalar scalar)
    {
        if (IsNull(scalar))
        {
            writer.WriteNullValue();
        }
        else if (scalar.Style == ScalarStyle.Plain && scalar.Value is "true" or "false")
        {
            writer.WriteBooleanValue(scalar.Value == "true");
        }
        else if (scalar.Style == ScalarStyle.Plain
            && long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            writer.WriteNumberValue(number);
        }
        else
        {
            writer.WriteStringValue(scalar.Value);
        }
    }

    private static bool IsNull(Scalar scalar) =>
        scalar.Style == ScalarStyle.Plain && scalar.Value is "" or "~" or "null" or "Null" or "NULL";
}
