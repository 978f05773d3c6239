using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;

namespace WalRus.WalG;

/// <summary>
/// A temporary local file that holds several sequences of bytes, written side by side: each is a chain of chunks. So any
/// number of lists can grow at the same time in bounded memory and few open files. Readable by its owner only, and gone
/// when disposed or when the process ends.
/// </summary>
internal sealed class SpoolFile : IDisposable
{
    /// <summary>Before each chunk: where the next one is (8 bytes, 0 for none), how long this one is (4 bytes).</summary>
    private const int HeaderBytes = 12;

    private readonly FileStream file;
    private readonly SafeFileHandle handle;
    private readonly string folder;
    private long length;

    private SpoolFile(FileStream file, string folder)
    {
        this.file = file;
        this.folder = folder;
        handle = file.SafeFileHandle;

        // Offset 0 means "no chunk", so nothing is put there.
        length = HeaderBytes;
    }

    /// <exception cref="WalRusException">The folder is missing or not writable, or its disk is full.</exception>
    public static SpoolFile Create(string folder) => new(TemporaryFile.Create(folder, bufferBytes: 0), folder);

    /// <summary>Appends a chunk. Thread-safe; a chain has one writer at a time.</summary>
    /// <param name="previous">The chain's last chunk, or 0 when this is its first.</param>
    /// <returns>The new chunk.</returns>
    public long Append(long previous, ReadOnlySpan<byte> data)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], data.Length);
        var chunk = Interlocked.Add(ref length, HeaderBytes + data.Length) - HeaderBytes - data.Length;
        try
        {
            RandomAccess.Write(handle, header, chunk);
            RandomAccess.Write(handle, data, chunk + HeaderBytes);
            if (previous != 0)
            {
                BinaryPrimitives.WriteInt64LittleEndian(header, chunk);
                RandomAccess.Write(handle, header[..8], previous);
            }
        }
        catch (IOException exception)
        {
            throw DurableFile.Translate(exception, folder);
        }

        return chunk;
    }

    /// <summary>Writes a chain to <paramref name="destination"/>, from its first chunk (0: nothing) to its last.</summary>
    public async ValueTask CopyToAsync(
        long firstChunk, Stream destination, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        for (var chunk = firstChunk; chunk != 0;)
        {
            await ReadAsync(buffer[..HeaderBytes], chunk, cancellationToken).ConfigureAwait(false);
            var next = BinaryPrimitives.ReadInt64LittleEndian(buffer.Span);
            var left = BinaryPrimitives.ReadInt32LittleEndian(buffer.Span[8..]);
            for (var offset = chunk + HeaderBytes; left > 0;)
            {
                var part = buffer[..Math.Min(left, buffer.Length)];
                await ReadAsync(part, offset, cancellationToken).ConfigureAwait(false);
                await destination.WriteAsync(part, cancellationToken).ConfigureAwait(false);
                offset += part.Length;
                left -= part.Length;
            }

            chunk = next;
        }
    }

    public void Dispose() => file.Dispose();

    private async ValueTask ReadAsync(Memory<byte> target, long offset, CancellationToken cancellationToken)
    {
        try
        {
            while (!target.IsEmpty)
            {
                var read = await RandomAccess.ReadAsync(handle, target, offset, cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    throw new EndOfStreamException("it is shorter than what was written to it.");
                }

                target = target[read..];
                offset += read;
            }
        }
        catch (IOException exception)
        {
            throw DurableFile.Translate(exception, folder);
        }
    }
}
