using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace WalRus.WalG;

/// <summary>One JSON value that grows in a <see cref="SpoolFile"/>, with one buffer in memory. Not thread-safe.</summary>
internal sealed class SpoolChain : IBufferWriter<byte>, IDisposable
{
    private readonly SpoolFile spool;
    private byte[] buffer;
    private int written;
    private long last;

    public SpoolChain(SpoolFile spool, int bufferBytes)
    {
        this.spool = spool;
        buffer = ArrayPool<byte>.Shared.Rent(bufferBytes);
        Json = new Utf8JsonWriter(this, new JsonWriterOptions
        {
            // wal-g writes this document without HTML escapes; keys must come back byte for byte either way.
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            SkipValidation = true,
        });
    }

    /// <summary>Writes the value. When one of its calls throws, the chain is of no use any more.</summary>
    public Utf8JsonWriter Json { get; }

    /// <summary>Where the chain starts in the spool; 0 while nothing was spooled.</summary>
    public long First { get; private set; }

    public void Advance(int count) => written += count;

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (buffer.Length - written < Math.Max(sizeHint, 1))
        {
            Flush();
        }

        if (buffer.Length < sizeHint)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
            buffer = ArrayPool<byte>.Shared.Rent(sizeHint);
        }

        return buffer.AsMemory(written);
    }

    /// <summary>Ends the value: all of it is in the spool.</summary>
    public void Complete()
    {
        Json.Flush();
        Flush();
    }

    public void Dispose()
    {
        // The writer's own disposal would flush into the buffer: what was not completed is to be forgotten.
        Json.Reset();
        Json.Dispose();
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
        }
    }

    private void Flush()
    {
        if (written > 0)
        {
            last = spool.Append(last, buffer.AsSpan(0, written));
            First = First == 0 ? last : First;
            written = 0;
        }
    }
}
