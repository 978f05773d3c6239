using System.Diagnostics;

namespace WalRus.Streaming.Tar;

/// <summary>
/// Writes a tar: for each member a header, exactly its content, and padding; at the end two zero blocks. Headers, small
/// files and padding gather in one buffer and go on when it is full, so that many small files cost few writes; content
/// can be read from a file straight into that buffer (<see cref="GetContentAsync"/>, <see cref="Advance"/>).
/// </summary>
/// <remarks>Neither the destination nor the buffer is disposed or completed. Calls are not concurrent.</remarks>
public sealed class TarWriter
{
    /// <summary>What the buffer must hold at least.</summary>
    public const int MinBufferBytes = 16 * 1024;

    private const int BlockBytes = TarWriterHeader.BlockBytes;

    private readonly Stream destination;
    private readonly Memory<byte> buffer;
    private int used;
    private long flushedBytes;
    private long contentLeft;
    private bool inMember;
    private bool completed;

    /// <param name="destination">Where the tar's bytes go.</param>
    /// <param name="buffer">Lent until <see cref="CompleteAsync"/> returns or the writer is given up.</param>
    public TarWriter(Stream destination, Memory<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(buffer.Length, MinBufferBytes);
        this.destination = destination;
        this.buffer = buffer;
    }

    /// <summary>Bytes of tar made so far, those still in the buffer included.</summary>
    public long BytesWritten => flushedBytes + used;

    /// <summary>Content bytes of the current member that are still to come.</summary>
    public long ContentLeft => contentLeft;

    /// <summary>Begins a member: <see cref="TarEntry.SizeBytes"/> bytes of content must follow, then <see cref="EndMemberAsync"/>.</summary>
    /// <exception cref="ArgumentException">A size on something that has no content, or a kind that is never written.</exception>
    public async ValueTask BeginMemberAsync(TarEntry entry, TarOwner owner, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(completed, this);
        Debug.Assert(!inMember, "The member before must be ended first.");
        if (entry.SizeBytes < 0 || (entry.SizeBytes != 0 && entry.Kind != TarEntryKind.File))
        {
            throw new ArgumentException($"'{entry.Name}' cannot have {entry.SizeBytes} bytes of content.", nameof(entry));
        }

        await EnsureFreeAsync(BlockBytes, cancellationToken).ConfigureAwait(false);
        if (!TarWriterHeader.TryWrite(buffer.Span.Slice(used, BlockBytes), entry, owner))
        {
            await WritePaxAsync(entry, owner, cancellationToken).ConfigureAwait(false);
            await EnsureFreeAsync(BlockBytes, cancellationToken).ConfigureAwait(false);
            TarWriterHeader.TryWrite(buffer.Span.Slice(used, BlockBytes), entry, owner);
        }

        used += BlockBytes;
        contentLeft = entry.SizeBytes;
        inMember = true;
    }

    /// <summary>
    /// Room in the buffer for the member's next content, to be filled from its start and told by <see cref="Advance"/>.
    /// At least <paramref name="minimumBytes"/> (or all that is left), at most what is left.
    /// </summary>
    public async ValueTask<Memory<byte>> GetContentAsync(int minimumBytes, CancellationToken cancellationToken)
    {
        Debug.Assert(inMember, "Content belongs to a member.");
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minimumBytes, buffer.Length);
        await EnsureFreeAsync((int)Math.Min(minimumBytes, contentLeft), cancellationToken).ConfigureAwait(false);
        return buffer.Slice(used, (int)Math.Min(buffer.Length - used, contentLeft));
    }

    /// <summary>Counts bytes put at the start of the room last given.</summary>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Math.Min(buffer.Length - used, contentLeft));
        used += count;
        contentLeft -= count;
    }

    /// <summary>Writes content that is already in memory.</summary>
    public async ValueTask WriteContentAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, contentLeft);
        contentLeft -= content.Length;
        await AppendAsync(content, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Fills the rest of the content with zeros: for a file that became shorter while it was read.</summary>
    public async ValueTask FillWithZerosAsync(CancellationToken cancellationToken)
    {
        while (contentLeft > 0)
        {
            var room = await GetContentAsync(1, cancellationToken).ConfigureAwait(false);
            room.Span.Clear();
            Advance(room.Length);
        }
    }

    /// <summary>Ends the member, padding it to a whole block.</summary>
    /// <exception cref="InvalidOperationException">Its content is not complete.</exception>
    public ValueTask EndMemberAsync(CancellationToken cancellationToken)
    {
        if (!inMember || contentLeft != 0)
        {
            throw new InvalidOperationException($"The tar member lacks {contentLeft} bytes of its content.");
        }

        inMember = false;
        return PadToBlockAsync(cancellationToken);
    }

    /// <summary>Writes the end of the archive and hands all that is buffered to the destination, which is not completed.</summary>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(completed, this);
        Debug.Assert(!inMember, "The last member must be ended first.");
        completed = true;
        await EnsureFreeAsync(2 * BlockBytes, cancellationToken).ConfigureAwait(false);
        buffer.Span.Slice(used, 2 * BlockBytes).Clear();
        used += 2 * BlockBytes;
        await FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask WritePaxAsync(TarEntry entry, TarOwner owner, CancellationToken cancellationToken)
    {
        var records = TarWriterHeader.PaxRecordsOf(entry, owner);
        TarWriterHeader.WritePax(buffer.Span.Slice(used, BlockBytes), entry.Name, records.WrittenCount);
        used += BlockBytes;
        await AppendAsync(records.WrittenMemory, cancellationToken).ConfigureAwait(false);
        await PadToBlockAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            await EnsureFreeAsync(1, cancellationToken).ConfigureAwait(false);
            var count = Math.Min(bytes.Length, buffer.Length - used);
            bytes[..count].CopyTo(buffer[used..]);
            used += count;
            bytes = bytes[count..];
        }
    }

    private async ValueTask PadToBlockAsync(CancellationToken cancellationToken)
    {
        var padding = (int)(-BytesWritten & (BlockBytes - 1));
        await EnsureFreeAsync(padding, cancellationToken).ConfigureAwait(false);
        buffer.Span.Slice(used, padding).Clear();
        used += padding;
    }

    private ValueTask EnsureFreeAsync(int count, CancellationToken cancellationToken) =>
        buffer.Length - used >= count ? ValueTask.CompletedTask : FlushAsync(cancellationToken);

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await destination.WriteAsync(buffer[..used], cancellationToken).ConfigureAwait(false);
        flushedBytes += used;
        used = 0;
    }
}
