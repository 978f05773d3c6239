using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>The tars of one backup: gives numbers and keys, adds up sizes. Thread-safe.</summary>
internal sealed class BackupTars
{
    private readonly Archive archive;
    private readonly BackupName backup;
    private readonly FilesMetadataWriter? metadata;
    private readonly IEventLog log;
    private long contentBytes;
    private long storedBytes;
    private int lastPart;

    /// <param name="metadata">Null when the backup is made without files_metadata.json.</param>
    public BackupTars(Archive archive, BackupName backup, FilesMetadataWriter? metadata, IEventLog log)
    {
        this.archive = archive;
        this.backup = backup;
        this.metadata = metadata;
        this.log = log;
    }

    /// <summary>Null when the backup is made without it.</summary>
    public FilesMetadataWriter? Metadata => metadata;

    /// <summary>Codecs and encryption that check what they read need no checksum beside them.</summary>
    internal bool WantsChecksums => metadata is not null && !archive.Codec.HasChecksum && archive.Crypter is null;

    /// <summary>Payload of the finished tars.</summary>
    public long ContentBytes => Interlocked.Read(ref contentBytes);

    /// <summary>Bytes of the finished tars in the store.</summary>
    public long StoredBytes => Interlocked.Read(ref storedBytes);

    /// <summary>Begins the next numbered part. A number is taken only for a part that will have members.</summary>
    /// <param name="buffer">Lent until the tar is completed or disposed.</param>
    /// <param name="isListed">False keeps it out of the file sets, which wal-g's remote backups do not have.</param>
    public ValueTask<BackupTar> OpenPartAsync(Memory<byte> buffer, bool isListed, CancellationToken cancellationToken) =>
        OpenAsync(WalGLayout.PartTarName(Interlocked.Increment(ref lastPart)), buffer, isListed, cancellationToken);

    /// <summary>Begins <c>backup_manifest.tar</c>.</summary>
    public ValueTask<BackupTar> OpenManifestAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        OpenAsync(WalGLayout.ManifestTar, buffer, isListed: false, cancellationToken);

    /// <summary>Begins <c>pg_control.tar</c>, which wal-g's file sets do not list.</summary>
    public ValueTask<BackupTar> OpenControlAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        OpenAsync(WalGLayout.ControlTar, buffer, isListed: false, cancellationToken);

    /// <summary>Begins <c>backup_label.tar</c>; <see cref="List"/> names its members.</summary>
    public ValueTask<BackupTar> OpenLabelAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        OpenAsync(WalGLayout.LabelTar, buffer, isListed: false, cancellationToken);

    /// <summary>Names the members of a tar that was begun without being listed.</summary>
    public void List(BackupTar tar, params ReadOnlySpan<string> members)
    {
        using var set = metadata?.BeginTar(tar.ObjectName);
        foreach (var member in members)
        {
            set?.Add(member);
        }
    }

    internal void AddChecksum(string tarName, uint crc) => metadata!.AddChecksum(new TarChecksum(tarName, crc));

    internal void Count(ObjectKey key, long content, long stored)
    {
        Interlocked.Add(ref contentBytes, content);
        Interlocked.Add(ref storedBytes, stored);
        log.BackupTarStored(key.Name, content, stored);
    }

    private async ValueTask<BackupTar> OpenAsync(
        string tarName, Memory<byte> buffer, bool isListed, CancellationToken cancellationToken)
    {
        var target = await archive
            .OpenWriteAsync(WalGLayout.Tar(backup, tarName), WriteCondition.None, cancellationToken).ConfigureAwait(false);
        return new BackupTar(this, tarName, target, buffer, isListed ? metadata?.BeginTar(target.Key.Name) : null);
    }
}
