using WalRus.Streaming;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>
/// The changed pages of one file that a server sends: how many there are stands in front of them in a tar, and is known
/// only once all of the file has passed. Few pages stay in memory; more wait in a temporary file, used again for each file.
/// </summary>
internal sealed class PageSpool : IDisposable
{
    private readonly string folder;
    private readonly Memory<byte> buffer;
    private FileStream? file;
    private long spooledBytes;
    private int used;

    /// <param name="folder">For the temporary file.</param>
    /// <param name="buffer">A whole number of pages; lent.</param>
    public PageSpool(string folder, Memory<byte> buffer)
    {
        this.folder = folder;
        this.buffer = buffer;
    }

    /// <summary>Forgets what is in it.</summary>
    public void Clear() => (spooledBytes, used) = (0, 0);

    public void Add(ReadOnlySpan<byte> page)
    {
        if (used + page.Length > buffer.Length)
        {
            Flush();
        }

        page.CopyTo(buffer.Span[used..]);
        used += page.Length;
    }

    /// <summary>Writes all of it, in order, as the content of the tar's current member.</summary>
    public async ValueTask WriteToAsync(TarWriter tar, CancellationToken cancellationToken)
    {
        if (spooledBytes == 0)
        {
            await tar.WriteContentAsync(buffer[..used], cancellationToken).ConfigureAwait(false);
            return;
        }

        Flush();
        for (long offset = 0; offset < spooledBytes;)
        {
            var room = await tar.GetContentAsync(1, cancellationToken).ConfigureAwait(false);
            room = room[..(int)Math.Min(room.Length, spooledBytes - offset)];
            var count = Read(room.Span, offset);
            tar.Advance(count);
            offset += count;
        }
    }

    public void Dispose() => file?.Dispose();

    private void Flush()
    {
        try
        {
            file ??= TemporaryFile.Create(folder, bufferBytes: 0);
            RandomAccess.Write(file.SafeFileHandle, buffer.Span[..used], spooledBytes);
            spooledBytes += used;
            used = 0;
        }
        catch (IOException failure)
        {
            throw DurableFile.Translate(failure, folder);
        }
    }

    private int Read(Span<byte> target, long offset)
    {
        try
        {
            return RandomAccess.Read(file!.SafeFileHandle, target, offset) is > 0 and var count
                ? count : throw new EndOfStreamException("it is shorter than what was written to it.");
        }
        catch (IOException failure)
        {
            throw DurableFile.Translate(failure, folder);
        }
    }
}
