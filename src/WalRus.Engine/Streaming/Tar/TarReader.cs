using System.Diagnostics;

namespace WalRus.Streaming.Tar;

/// <summary>
/// Reads a tar archive from a stream, forward only, in the one buffer it is given. Understands USTAR, PAX (x, g), GNU
/// (L, K, base-256 numbers) and v7. Use: <see cref="ReadEntryAsync"/> until false; after each, optionally
/// <see cref="ReadContentAsync"/> until empty.
/// </summary>
/// <remarks>
/// The archive may end in any number of zero bytes, none included, or inside the padding of its last member: that is how
/// wal-g leaves the last part of a remote backup. An end anywhere else, or data after the end, is
/// <see cref="ErrorCode.ObjectCorrupt"/>. Names are handed on as they are: whoever writes files checks them.
/// Not thread-safe; neither the stream nor the buffer is disposed.
/// </remarks>
public sealed class TarReader
{
    /// <summary>The smallest buffer: extended headers are read whole, up to half of it.</summary>
    public const int MinBufferBytes = 64 * 1024;

    /// <summary>More extended headers than this before one member are an attack, not an archive.</summary>
    private const int MaxExtendedHeaders = 16;

    private readonly Stream source;
    private readonly Memory<byte> buffer;
    private readonly string name;

    // What is in the buffer and not consumed: [start, end).
    private int start;
    private int end;
    private bool sourceEnded;

    private long consumed;
    private long contentLeft;
    private int paddingLeft;
    private PaxRecords global;

    /// <param name="source">The archive, uncompressed.</param>
    /// <param name="buffer">At least <see cref="MinBufferBytes"/>; the reader's own while it is used.</param>
    /// <param name="name">What errors call the archive: its object's key.</param>
    public TarReader(Stream source, Memory<byte> buffer, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(buffer.Length, MinBufferBytes);
        this.source = source;
        this.buffer = buffer;
        this.name = name;
    }

    /// <summary>The member that <see cref="ReadEntryAsync"/> came to.</summary>
    public TarEntry Entry { get; private set; }

    /// <summary>Moves to the next member, past what was not read of the last one. False at the end of the archive.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: damaged or truncated.</exception>
    public async ValueTask<bool> ReadEntryAsync(CancellationToken cancellationToken)
    {
        PaxRecords local = default;
        for (var extended = 0; ; extended++)
        {
            if (!await ReadHeaderAsync(cancellationToken).ConfigureAwait(false))
            {
                return extended == 0 ? false : throw Truncated();
            }

            var header = buffer.Span.Slice(start, TarHeader.BlockBytes);
            var type = TarHeader.Type(header);
            if (!TarHeader.TryParse(header, out var entry, out var problem))
            {
                throw Corrupt(problem);
            }

            Consume(TarHeader.BlockBytes);
            if (!IsExtended(type))
            {
                Begin(type, entry, local);
                return true;
            }

            if (extended == MaxExtendedHeaders)
            {
                throw Corrupt("one member has too many extended headers");
            }

            await ReadExtendedAsync(type, entry.SizeBytes, cancellationToken).ConfigureAwait(false);
            Apply(type, (int)entry.SizeBytes, ref local);
            Consume((int)entry.SizeBytes);
            paddingLeft = Padding(entry.SizeBytes);
        }
    }

    /// <summary>
    /// The next piece of the member's content, empty at its end; valid until the next call. Every piece but the last
    /// fills the buffer, so that a file is written in as few calls as the buffer allows.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: the archive ends inside the member.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadContentAsync(CancellationToken cancellationToken)
    {
        if (contentLeft == 0)
        {
            return default;
        }

        var wanted = (int)Math.Min(contentLeft, buffer.Length);
        if (!await FillAsync(wanted, cancellationToken).ConfigureAwait(false))
        {
            throw Truncated();
        }

        var piece = buffer.Slice(start, wanted);
        Consume(wanted);
        contentLeft -= wanted;
        return piece;
    }

    private static bool IsExtended(byte type) => type is TarHeader.TypePax or TarHeader.TypePaxSolaris
        or TarHeader.TypePaxGlobal or TarHeader.TypeGnuLongName or TarHeader.TypeGnuLongLink;

    private static int Padding(long sizeBytes) => (int)(-sizeBytes & (TarHeader.BlockBytes - 1));

    private void Begin(byte type, TarEntry header, in PaxRecords local)
    {
        if (type == TarHeader.TypeGnuSparse)
        {
            throw Corrupt("it holds a sparse file, which no PostgreSQL backup does");
        }

        Entry = local.Apply(header, global);
        if (Entry.SizeBytes > long.MaxValue - TarHeader.BlockBytes)
        {
            throw Corrupt("a member's size is beyond any file's");
        }

        contentLeft = Entry.SizeBytes;
        paddingLeft = Padding(contentLeft);
    }

    /// <summary>Brings a header to the front of the buffer. False at the end of the archive, which is checked.</summary>
    private async ValueTask<bool> ReadHeaderAsync(CancellationToken cancellationToken)
    {
        while (!(await ReadContentAsync(cancellationToken).ConfigureAwait(false)).IsEmpty)
        {
            // What the caller left of the last member is passed over.
        }

        if (paddingLeft > 0 && !await FillAsync(paddingLeft, cancellationToken).ConfigureAwait(false))
        {
            Consume(end - start);
            return false;
        }

        Consume(paddingLeft);
        paddingLeft = 0;
        var whole = await FillAsync(TarHeader.BlockBytes, cancellationToken).ConfigureAwait(false);
        var header = buffer.Span[start..(whole ? start + TarHeader.BlockBytes : end)];
        if (!header.ContainsAnyExcept((byte)0))
        {
            await ReadTrailerAsync(cancellationToken).ConfigureAwait(false);
            return false;
        }

        if (!whole)
        {
            throw Truncated();
        }

        return TarHeader.ChecksumIsRight(header) ? true : throw Corrupt("a header's checksum is wrong");
    }

    /// <summary>Reads to the end of the stream, so that its own checks run, and holds that only zeros follow.</summary>
    private async ValueTask ReadTrailerAsync(CancellationToken cancellationToken)
    {
        do
        {
            if (buffer.Span[start..end].ContainsAnyExcept((byte)0))
            {
                throw Corrupt("there is data after its end");
            }

            Consume(end - start);
        }
        while (await FillAsync(1, cancellationToken).ConfigureAwait(false));
    }

    private async ValueTask ReadExtendedAsync(byte type, long size, CancellationToken cancellationToken)
    {
        if (size > buffer.Length / 2)
        {
            throw Corrupt($"an extended header (type '{(char)type}') claims {size} bytes");
        }

        if (!await FillAsync((int)size, cancellationToken).ConfigureAwait(false))
        {
            throw Truncated();
        }
    }

    private void Apply(byte type, int size, ref PaxRecords local)
    {
        var content = buffer.Span.Slice(start, size);
        switch (type)
        {
            case TarHeader.TypeGnuLongName:
                local.Path = TarHeader.Text(content);
                break;
            case TarHeader.TypeGnuLongLink:
                local.LinkPath = TarHeader.Text(content);
                break;
            case TarHeader.TypePaxGlobal:
                if (global.TryAdd(content) is { } globalProblem)
                {
                    throw Corrupt(globalProblem);
                }

                break;
            default:
                if (local.TryAdd(content) is { } problem)
                {
                    throw Corrupt(problem);
                }

                break;
        }
    }

    private void Consume(int count)
    {
        Debug.Assert(count <= end - start, "Only what is in the buffer can be consumed.");
        start += count;
        consumed += count;
        if (start == end)
        {
            start = end = 0;
        }
    }

    /// <summary>Has at least <paramref name="count"/> bytes in the buffer from <see cref="start"/>; false when the stream ends before.</summary>
    private async ValueTask<bool> FillAsync(int count, CancellationToken cancellationToken)
    {
        if (end - start >= count)
        {
            return true;
        }

        if (start + count > buffer.Length)
        {
            buffer[start..end].CopyTo(buffer);
            end -= start;
            start = 0;
        }

        while (end - start < count && !sourceEnded)
        {
            var read = await source.ReadAsync(buffer[end..], cancellationToken).ConfigureAwait(false);
            end += read;
            sourceEnded = read == 0;
        }

        return end - start >= count;
    }

    private WalRusException Truncated() => Corrupt("it ends in the middle of a member");

    private WalRusException Corrupt(string problem) => new(
        ErrorCode.ObjectCorrupt,
        FormattableString.Invariant($"'{name}' is not a whole tar archive: {problem} (at byte {consumed} of its content)."),
        "The object is damaged in the archive; use another backup, and check the storage.");
}
