using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;

namespace WalRus.Storage.FileSystem;

/// <summary>Reads a range of a file without a buffer of its own.</summary>
internal sealed class FileReadStream(SafeFileHandle handle, string path, ByteRange range) : InputStream
{
    private long offset = range.Offset;
    private long remaining = range.Length ?? long.MaxValue;

    /// <remarks>
    /// Reads on the caller's thread: the page cache or the disk answers sooner than a hand-over to another thread would.
    /// </remarks>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var wanted = (int)Math.Min(buffer.Length, remaining);
        if (wanted == 0)
        {
            return ValueTask.FromResult(0);
        }

        try
        {
            var read = RandomAccess.Read(handle, buffer.Span[..wanted], offset);
            offset += read;
            remaining -= read;
            return ValueTask.FromResult(read);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
    }

    protected override void Dispose(bool disposing)
    {
        handle.Dispose();
        base.Dispose(disposing);
    }
}
