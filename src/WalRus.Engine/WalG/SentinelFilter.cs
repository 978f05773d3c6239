using System.Buffers;
using System.Text.Json;

namespace WalRus.WalG;

/// <summary>
/// Reads a sentinel of any size in little memory: version 1 has its list of files embedded, millions of lines that
/// <see cref="FilesMetadataReader"/> can stream from the same document. All but those lists is kept.
/// </summary>
internal static class SentinelFilter
{
    private const string What = "backup sentinel";
    private const int BufferBytes = 16 * 1024;

    /// <summary>Also the longest token: user data comes whole, and several times while it is shown.</summary>
    private const int MaxKeptBytes = 2 << 20;

    private static readonly string[] EmbeddedLists = ["Files", "TarFileSets", "DatabasesByNames"];

    /// <returns>The document without the embedded lists.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(Stream document, CancellationToken cancellationToken)
    {
        var kept = new ArrayBufferWriter<byte>(1024);
        var copy = new Copy(kept);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var filled = 0;
            for (var isFinal = false; !isFinal;)
            {
                var read = await document.ReadAsync(buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
                isFinal = read == 0;
                filled += read;
                var consumed = Take(copy, buffer.AsSpan(0, filled), isFinal);
                filled -= consumed;
                buffer.AsSpan(consumed, filled).CopyTo(buffer);
                if (kept.WrittenCount > MaxKeptBytes || (filled == buffer.Length && filled >= MaxKeptBytes))
                {
                    throw WalGJson.Unreadable(What, $"it has more than {MaxKeptBytes >> 20} MiB beside its list of files.");
                }

                buffer = filled < buffer.Length ? buffer : Grow(buffer);
            }

            return kept.WrittenMemory;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int Take(Copy copy, ReadOnlySpan<byte> data, bool isFinal)
    {
        try
        {
            return copy.Take(data, isFinal);
        }
        catch (Exception exception) when (WalGJson.IsMalformed(exception))
        {
            throw WalGJson.Unreadable(What, exception);
        }
    }

    private static byte[] Grow(byte[] full)
    {
        var larger = ArrayPool<byte>.Shared.Rent(full.Length * 2);
        full.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(full);
        return larger;
    }

    /// <summary>Copies tokens, but for the values of the embedded lists' keys at the top.</summary>
    private sealed class Copy(IBufferWriter<byte> target)
    {
        private readonly Utf8JsonWriter writer = new(
            target, new JsonWriterOptions { SkipValidation = true, MaxDepth = 1000 });

        private JsonReaderState state = new(WalGJson.ReaderOptions);
        private bool isSkipping;
        private bool isStarted;

        public int Take(ReadOnlySpan<byte> data, bool isFinal)
        {
            var start = 0;
            if (!isStarted)
            {
                if (data.Length <= 3 && !isFinal)
                {
                    return 0;
                }

                start = data.Length - WalGJson.WithoutByteOrderMark(data).Length;
                isStarted = data.Length > start ? true : throw new JsonException("it is empty");
            }

            var reader = new Utf8JsonReader(data[start..], isFinal, state);
            while (reader.Read())
            {
                Take(ref reader);
            }

            writer.Flush();
            state = reader.CurrentState;
            return start + (int)reader.BytesConsumed;
        }

        private void Take(ref Utf8JsonReader reader)
        {
            if (isSkipping)
            {
                // The value ends at the next scalar or closing bracket of its own depth.
                isSkipping = reader.CurrentDepth > 1 || reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray;
                return;
            }

            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    TakeName(ref reader);
                    break;
                case JsonTokenType.StartObject:
                    writer.WriteStartObject();
                    break;
                case JsonTokenType.EndObject:
                    writer.WriteEndObject();
                    break;
                case JsonTokenType.StartArray:
                    writer.WriteStartArray();
                    break;
                case JsonTokenType.EndArray:
                    writer.WriteEndArray();
                    break;
                case JsonTokenType.String:
                    writer.WriteStringValue(reader.GetString());
                    break;
                default:
                    writer.WriteRawValue(reader.ValueSpan, skipInputValidation: true);
                    break;
            }
        }

        private void TakeName(ref Utf8JsonReader reader)
        {
            var name = reader.GetString() ?? "";
            isSkipping = reader.CurrentDepth == 1 && EmbeddedLists.Contains(name, StringComparer.OrdinalIgnoreCase);
            if (!isSkipping)
            {
                writer.WritePropertyName(name);
            }
        }
    }
}
