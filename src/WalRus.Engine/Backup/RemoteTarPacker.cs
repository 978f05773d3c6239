using WalRus.Postgres;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Puts the members of the tars that a server sends into the parts of a backup, as they come: each archive begins a part,
/// and a part that would grow past the threshold ends before the file that would do it. Memory: the two buffers given.
/// Source: wal-g's layout 005, remote backups.
/// </summary>
internal sealed class RemoteTarPacker : IAsyncDisposable
{
    /// <summary>Sent last: when it has come, the server begins to end the backup.</summary>
    public const string ControlFileName = "global/pg_control";

    private const int MaxControlFileBytes = 64 * 1024;

    private readonly BackupTars tars;
    private readonly long thresholdBytes;
    private readonly BackupProgress progress;
    private readonly Memory<byte> readBuffer;
    private readonly Memory<byte> writeBuffer;
    private BackupTar? tar;

    /// <param name="readBuffer">At least <see cref="TarReader.MinBufferBytes"/>; lent.</param>
    /// <param name="writeBuffer">At least <see cref="TarWriter.MinBufferBytes"/>; lent.</param>
    public RemoteTarPacker(
        BackupTars tars, long thresholdBytes, BackupProgress progress, Memory<byte> readBuffer, Memory<byte> writeBuffer)
    {
        this.tars = tars;
        this.thresholdBytes = thresholdBytes;
        this.progress = progress;
        this.readBuffer = readBuffer;
        this.writeBuffer = writeBuffer;
    }

    /// <summary>What PostgreSQL puts into its headers whoever owns the files.</summary>
    public static TarOwner Owner { get; } = new("postgres", "postgres");

    public long FileCount { get; private set; }

    /// <summary>The control file; null while it has not come.</summary>
    public byte[]? ControlFile { get; private set; }

    /// <summary>Its header.</summary>
    public TarEntry ControlFileEntry { get; private set; }

    /// <summary>Makes a delta of what comes; null for a full backup.</summary>
    public IRemoteIncrements? Increments { get; init; }

    /// <summary>Called once the control file is packed: what follows is the end of the backup.</summary>
    public Action? OnControlFile { get; init; }

    /// <summary>How a member stands in files_metadata.json.</summary>
    public static FilesMetadataEntry Describe(in TarEntry entry) => new()
    {
        Name = entry.Name,
        ModifiedTime = WalGTime.FromUnix(entry.ModifiedUnixSeconds, 0, TimeSpan.Zero),
    };

    /// <summary>Packs one archive, to its end.</summary>
    /// <param name="archive">Read to its end; a server before 15 leaves out the tar's final blocks.</param>
    /// <param name="name">For errors: "base.tar".</param>
    /// <param name="prefix">What its names are below: "" or "pg_tblspc/16384/".</param>
    public async Task PackAsync(Stream archive, string name, string prefix, CancellationToken cancellationToken)
    {
        var reader = new TarReader(archive, readBuffer, name);
        while (await reader.ReadEntryAsync(cancellationToken).ConfigureAwait(false))
        {
            var entry = reader.Entry with { Name = prefix + reader.Entry.Name };
            await AddAsync(reader, entry, cancellationToken).ConfigureAwait(false);
        }

        await CompletePartAsync(cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => tar?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async ValueTask AddAsync(TarReader reader, TarEntry entry, CancellationToken cancellationToken)
    {
        var increment = Increments is null || entry.Kind != TarEntryKind.File
            ? null : await Increments.FindAsync(reader, entry, cancellationToken).ConfigureAwait(false);
        if (increment is not null)
        {
            await AddIncrementAsync(increment, entry, cancellationToken).ConfigureAwait(false);
            return;
        }

        await BeginAsync(entry, cancellationToken).ConfigureAwait(false);
        var control = entry.Name == ControlFileName ? BeginControlFile(entry) : null;
        while (await reader.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            control?.Write(piece.Span);
            await tar!.Tar.WriteContentAsync(piece, cancellationToken).ConfigureAwait(false);
            progress.Add(entry.Name, piece.Length);
        }

        await tar!.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
        if (entry.Kind == TarEntryKind.File)
        {
            FileCount++;
            tars.Metadata?.AddFile(Describe(entry));
        }

        if (control is not null)
        {
            (ControlFile, ControlFileEntry) = (control.ToArray(), entry);
            OnControlFile?.Invoke();
        }
    }

    private async ValueTask AddIncrementAsync(RemoteIncrement increment, TarEntry entry, CancellationToken cancellationToken)
    {
        var member = entry with { Name = increment.Name, SizeBytes = increment.ContentBytes };
        if (increment.Write is { } write)
        {
            await BeginAsync(member, cancellationToken).ConfigureAwait(false);
            await write(tar!.Tar, cancellationToken).ConfigureAwait(false);
            await tar.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
            FileCount++;
        }

        progress.Add(entry.Name, entry.SizeBytes);
        tars.Metadata?.AddFile(Describe(member) with
        {
            IsIncremented = increment is { IsIncrement: true, Write: not null },
            IsSkipped = increment.Write is null,
        });
    }

    private async ValueTask BeginAsync(TarEntry member, CancellationToken cancellationToken)
    {
        if (tar is not null && tar.ContentBytes > 0 && tar.ContentBytes + member.SizeBytes > thresholdBytes)
        {
            await CompletePartAsync(cancellationToken).ConfigureAwait(false);
        }

        tar ??= await tars.OpenPartAsync(writeBuffer, isListed: false, cancellationToken).ConfigureAwait(false);
        await tar.BeginAsync(member, Owner, cancellationToken).ConfigureAwait(false);
    }

    private static MemoryStream BeginControlFile(in TarEntry entry) => entry.SizeBytes is > 0 and <= MaxControlFileBytes
        ? new MemoryStream((int)entry.SizeBytes)
        : throw new WalRusException(
            ErrorCode.DataDirectoryInvalid, $"The server sent a pg_control of {entry.SizeBytes} bytes, which cannot be one.");

    private async ValueTask CompletePartAsync(CancellationToken cancellationToken)
    {
        if (tar is { } full)
        {
            await full.CompleteAsync(cancellationToken).ConfigureAwait(false);
            await full.DisposeAsync().ConfigureAwait(false);
            tar = null;
        }
    }
}
