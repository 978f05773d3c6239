using System.Buffers;
using System.Text;
using System.Text.Json;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>
/// The rules common to wal-g's JSON documents. Reading: keys in any case and order, unknown keys and nulls passed over,
/// integers exact to 64 bits. Writing: Go's escaping, no white space, sorted keys in free-form values.
/// </summary>
internal static class WalGJson
{
    /// <summary>Deepest nesting accepted, in free-form user data.</summary>
    private const int MaxDepth = 256;

    private const string UnreadableHint =
        "The object is damaged or was not written by wal-g, WAL-RUS or WalRus: compare it with a copy, or restore another backup.";

    public delegate void MemberReader<in T>(T target, ref Utf8JsonReader reader, string name)
        where T : class;

    public static JsonReaderOptions ReaderOptions { get; } = new() { MaxDepth = MaxDepth };

    /// <summary>Reads one document that is an object, calling <paramref name="member"/> with the reader on each value.</summary>
    /// <param name="what">For the message: "backup sentinel".</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public static void ReadObject<T>(ReadOnlySpan<byte> json, string what, T target, MemberReader<T> member)
        where T : class
    {
        try
        {
            if (json.IsEmpty)
            {
                throw new JsonException("it is empty");
            }

            var reader = new Utf8JsonReader(WithoutByteOrderMark(json), ReaderOptions);
            reader.Read();
            ReadObject(ref reader, target, member);
            reader.Read();
        }
        catch (Exception exception) when (IsMalformed(exception))
        {
            throw Unreadable(what, exception);
        }
    }

    /// <summary>Reads the object the reader stands on, to its end. The callback leaves the reader on the value's last token.</summary>
    public static void ReadObject<T>(ref Utf8JsonReader reader, T target, MemberReader<T> member)
        where T : class
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException($"an object was expected, not {Describe(reader.TokenType)}");
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString() ?? "";
            reader.Read();
            member(target, ref reader, name);
        }
    }

    /// <summary>What the JSON reader throws for malformed text: syntax, and escapes or bytes that are no Unicode.</summary>
    public static bool IsMalformed(Exception exception) =>
        exception is JsonException or InvalidOperationException or FormatException or DecoderFallbackException;

    public static WalRusException Unreadable(string what, Exception exception) => new(
        ErrorCode.BackupUnreadable, $"The {what} cannot be read: {exception.Message}", UnreadableHint, exception);

    public static WalRusException Unreadable(string what, string reason) => new(
        ErrorCode.BackupUnreadable, $"The {what} cannot be read: {reason}", UnreadableHint);

    /// <summary>True when a key is <paramref name="expected"/> in any case, as Go matches keys.</summary>
    public static bool Is(string name, string expected) => string.Equals(name, expected, StringComparison.OrdinalIgnoreCase);

    public static ulong? UInt64(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.Number when reader.TryGetUInt64(out var value) => value,
        _ => throw WrongType(ref reader, name, "an unsigned 64-bit number"),
    };

    public static Lsn? Lsn(ref Utf8JsonReader reader, string name) =>
        UInt64(ref reader, name) is { } value ? new Lsn(value) : null;

    public static long Int64(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null => 0,
        JsonTokenType.Number when reader.TryGetInt64(out var value) => value,
        _ => throw WrongType(ref reader, name, "a 64-bit number"),
    };

    public static int? Int32(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.Number when reader.TryGetInt32(out var value) => value,
        _ => throw WrongType(ref reader, name, "a 32-bit number"),
    };

    public static uint? UInt32(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.Number when reader.TryGetUInt32(out var value) => value,
        _ => throw WrongType(ref reader, name, "an unsigned 32-bit number"),
    };

    public static bool Boolean(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null or JsonTokenType.False => false,
        JsonTokenType.True => true,
        _ => throw WrongType(ref reader, name, "true or false"),
    };

    public static string? Text(ref Utf8JsonReader reader, string name) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.String => reader.GetString(),
        _ => throw WrongType(ref reader, name, "a string"),
    };

    public static WalGTime Time(ref Utf8JsonReader reader, string name)
    {
        Span<char> text = stackalloc char[64];
        if (reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length <= text.Length)
        {
            return WalGTime.TryParse(text[..reader.CopyString(text)], out var time)
                ? time
                : throw new JsonException($"'{name}' is '{reader.GetString()}', which is no RFC 3339 time");
        }

        return reader.TokenType == JsonTokenType.Null ? default : throw WrongType(ref reader, name, "an RFC 3339 time");
    }

    /// <summary>A free-form value; null for JSON's null.</summary>
    public static JsonElement? Any(ref Utf8JsonReader reader)
    {
        var value = JsonElement.ParseValue(ref reader);
        DecodeAllText(value);
        return value.ValueKind == JsonValueKind.Null ? null : value;
    }

    public static byte[] Write(Action<Utf8JsonWriter> body)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(
            buffer, new JsonWriterOptions { Encoder = GoJsonEncoder.Instance, MaxDepth = MaxDepth + 8 }))
        {
            writer.WriteStartObject();
            body(writer);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    public static void WriteTime(this Utf8JsonWriter writer, string name, WalGTime time)
    {
        Span<char> text = stackalloc char[40];
        writer.WriteString(name, text[..time.Format(text)]);
    }

    public static void WriteNumberOrNull(this Utf8JsonWriter writer, string name, ulong? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
        else
        {
            writer.WriteNull(name);
        }
    }

    /// <summary>Writes a free-form value as Go writes its maps: keys sorted by their bytes, of equal keys the last.</summary>
    public static void WriteSorted(this Utf8JsonWriter writer, string name, JsonElement value)
    {
        writer.WritePropertyName(name);
        WriteSorted(writer, value);
    }

    private static void WriteSorted(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var (name, member) in Members(value))
                {
                    WriteSorted(writer, name, member);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    WriteSorted(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    /// <summary>An object's members by key in UTF-8 order; of equal keys the last counts.</summary>
    public static SortedDictionary<string, JsonElement> Members(JsonElement value)
    {
        var members = new SortedDictionary<string, JsonElement>(Utf8Order.Instance);
        foreach (var member in value.EnumerateObject())
        {
            members[member.Name] = member.Value;
        }

        return members;
    }

    /// <summary>Text is decoded only when it is asked for: what is no Unicode shall be found here, not when it is shown.</summary>
    private static void DecodeAllText(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    _ = member.Name;
                    DecodeAllText(member.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    DecodeAllText(item);
                }

                break;
            case JsonValueKind.String:
                _ = value.GetString();
                break;
        }
    }

    public static ReadOnlySpan<byte> WithoutByteOrderMark(ReadOnlySpan<byte> json) =>
        json.StartsWith(Encoding.UTF8.Preamble) ? json[3..] : json;

    private static JsonException WrongType(ref Utf8JsonReader reader, string name, string expected) =>
        new($"'{name}' is not {expected} but {Describe(reader.TokenType)}");

    private static string Describe(JsonTokenType token) => token switch
    {
        JsonTokenType.None => "the end of the document",
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number out of range",
        JsonTokenType.True or JsonTokenType.False => "a boolean",
        JsonTokenType.Null => "null",
        _ => token.ToString(),
    };

    /// <summary>UTF-16 order differs from that of the bytes where surrogates meet U+E000 and above.</summary>
    private sealed class Utf8Order : IComparer<string>
    {
        public static Utf8Order Instance { get; } = new();

        public int Compare(string? x, string? y) =>
            Encoding.UTF8.GetBytes(x ?? "").AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(y ?? ""));
    }
}
