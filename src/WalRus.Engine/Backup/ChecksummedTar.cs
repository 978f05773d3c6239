using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>A tar while it is read, held against the checksum that its backup's list has of it, where it has one.</summary>
/// <param name="source">The tar, uncompressed; disposed with this.</param>
/// <param name="tar">Which one.</param>
internal sealed class ChecksummedTar(Stream source, StoredTar tar) : InputStream
{
    private uint crc = Crc32C.Initial;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (tar.Checksum is not null)
        {
            crc = Crc32C.Append(crc, buffer.Span[..count]);
        }

        return count;
    }

    /// <summary>Reads what is left, and holds that all of it was what was stored.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public async ValueTask RequireAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (await ReadAsync(buffer, cancellationToken).ConfigureAwait(false) > 0)
        {
        }

        if (tar.Checksum is { } expected && Crc32C.Finish(crc) != expected)
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt,
                $"'{tar.Key}' is damaged: its content is not what was stored.",
                "Choose an older backup, and check the storage.");
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await source.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            source.Dispose();
        }

        base.Dispose(disposing);
    }
}
