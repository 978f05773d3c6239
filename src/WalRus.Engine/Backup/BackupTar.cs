using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// One tar object of a backup while it is built: tar, compression, encryption and store, and the list of its members.
/// Nothing is visible until <see cref="CompleteAsync"/>; disposing before that leaves nothing.
/// </summary>
internal sealed class BackupTar : IAsyncDisposable
{
    private readonly BackupTars owner;
    private readonly string tarName;
    private readonly ArchiveWriter target;
    private readonly TarFileSetWriter? members;
    private readonly CheckedOutput? counted;
    private long contentBytes;

    internal BackupTar(BackupTars owner, string tarName, ArchiveWriter target, Memory<byte> buffer, TarFileSetWriter? members)
    {
        this.owner = owner;
        this.tarName = tarName;
        this.target = target;
        this.members = members;
        counted = owner.WantsChecksums ? new CheckedOutput(target) : null;
        Tar = new TarWriter((OutputStream?)counted ?? target, buffer);
    }

    public TarWriter Tar { get; }

    /// <summary>With the codec's extension, as file sets name it.</summary>
    public string ObjectName => target.Key.Name;

    /// <summary>Sum of the members' sizes.</summary>
    public long ContentBytes => contentBytes;

    /// <summary>Begins a member; its content follows through <see cref="Tar"/>.</summary>
    public async ValueTask BeginAsync(TarEntry entry, TarOwner account, CancellationToken cancellationToken)
    {
        await Tar.BeginMemberAsync(entry, account, cancellationToken).ConfigureAwait(false);
        members?.Add(entry.Name);
        contentBytes += entry.SizeBytes;
    }

    /// <summary>Adds a member whose content is at hand.</summary>
    public async ValueTask AddAsync(
        TarEntry entry, TarOwner account, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await BeginAsync(entry, account, cancellationToken).ConfigureAwait(false);
        await Tar.WriteContentAsync(content, cancellationToken).ConfigureAwait(false);
        await Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the tar: durable and visible when this returns.</summary>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        await Tar.CompleteAsync(cancellationToken).ConfigureAwait(false);
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
        members?.Dispose();
        if (counted is not null)
        {
            owner.AddChecksum(tarName, counted.Checksum);
        }

        owner.Count(target.Key, contentBytes, target.BytesOut);
    }

    public async ValueTask DisposeAsync()
    {
        members?.Dispose();
        await target.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Passes bytes on and adds them to a checksum.</summary>
    private sealed class CheckedOutput(OutputStream target) : OutputStream
    {
        private uint crc = Crc32C.Initial;

        public uint Checksum => Crc32C.Finish(crc);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            crc = Crc32C.Append(crc, buffer.Span);
            return target.WriteAsync(buffer, cancellationToken);
        }

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
