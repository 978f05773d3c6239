using System.Buffers;
using System.Buffers.Binary;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Takes the manifest that a server sends: checks that it is whole and of this backup, and spools it. That of a full backup
/// stays as it is, byte for byte. That of an incremental one is written anew to describe what a restore makes of it: each
/// file under its own name, with the size it will have, those put together from pages without a checksum.
/// </summary>
internal sealed class RemoteManifest : IDisposable
{
    private const int PieceBytes = 32 * 1024;
    private const int MaxRanges = 10_000;

    private readonly BackupManifestSpool spool;
    private readonly ServerIncrements? increments;
    private readonly NumberSpool? fileSizes;
    private readonly BackupManifestParser parser;
    private readonly BackupManifestWriter writer;
    private readonly List<BackupManifestWalRange> ranges = [];
    private bool hasBegun;

    /// <param name="increments">Null for a full backup.</param>
    /// <param name="fileSizes">Of the files that increments make, in the server's order; null for a full backup.</param>
    public RemoteManifest(BackupManifestSpool spool, ServerIncrements? increments, NumberSpool? fileSizes)
    {
        this.spool = spool;
        this.increments = increments;
        this.fileSizes = fileSizes;
        writer = new BackupManifestWriter(spool);
        parser = new BackupManifestParser { OnFile = increments is null ? null : Rewrite, OnWalRange = Take };
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public async Task TakeAsync(Stream content, CancellationToken cancellationToken)
    {
        var piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            while (await content.ReadAsync(piece, cancellationToken).ConfigureAwait(false) is > 0 and var count)
            {
                parser.Feed(piece.AsSpan(0, count));
                if (increments is null)
                {
                    spool.Write(piece.AsSpan(0, count));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }

        parser.Complete();
        if (increments is not null)
        {
            Begin();
            writer.End(ranges);
        }
    }

    /// <summary>Holds that the manifest describes this backup.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void Require(RemoteServer server, Lsn backupStart, Lsn backupEnd)
    {
        if (ranges.Count == 0 || ranges.Min(range => range.Start) != backupStart || ranges.Max(range => range.End) != backupEnd
            || (parser.SystemIdentifier is { } system && system != server.SystemIdentifier))
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt,
                $"The manifest the server sent is of another backup than this one, from {backupStart} to {backupEnd}.");
        }

        if (fileSizes is { Left: > 0 })
        {
            throw OutOfStep($"it does not list {fileSizes.Left} of the files");
        }
    }

    public void Dispose()
    {
        parser.Dispose();
        writer.Dispose();
    }

    private static WalRusException OutOfStep(string how) =>
        new(ErrorCode.ObjectCorrupt, $"The manifest the server sent does not fit what it sent before: {how}.");

    private void Take(BackupManifestWalRange range)
    {
        if (ranges.Count == MaxRanges)
        {
            throw OutOfStep("it names too many ranges of WAL");
        }

        ranges.Add(range);
    }

    private void Begin()
    {
        if (!hasBegun)
        {
            writer.Begin(parser.SystemIdentifier);
            hasBegun = true;
        }
    }

    private void Rewrite(BackupManifestFile file)
    {
        Begin();
        if (file.Path == BackupLabel.FileName)
        {
            Span<byte> checksum = stackalloc byte[sizeof(uint)];
            BinaryPrimitives.WriteUInt32LittleEndian(checksum, Crc32C.Compute(increments!.Label));
            file = file with
            {
                SizeBytes = increments.Label.Length,
                ChecksumAlgorithm = "CRC32C",
                Checksum = Convert.ToHexString(checksum).ToLowerInvariant(),
            };
        }
        else if (!file.IsEncoded && ServerIncrements.PlainName(file.Path) is { } name)
        {
            var size = fileSizes!.Next() ?? throw OutOfStep("it lists more files");
            file = file with { Path = name, SizeBytes = size, ChecksumAlgorithm = null, Checksum = null };
        }

        writer.Add(file);
    }
}
