using System.Text;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>
/// Takes the INCREMENTAL files of a server (PostgreSQL 17 and later) for what they are, increments of the files whose
/// names they bear, and writes them in the format asked for. What is written for pg_combinebackup only, names and lines of
/// the label, goes: a restore by WalRus or wal-g puts the files together itself.
/// </summary>
internal sealed class ServerIncrements : IRemoteIncrements
{
    public const string NamePrefix = "INCREMENTAL.";

    private const int PageBytes = IncrementLayout.PageBytes;
    private const int MaxLabelBytes = 64 * 1024;

    private readonly DeltaBase delta;
    private readonly NumberSpool fileSizes;
    private readonly BlockSet listed;
    private readonly BlockSet written;
    private ReadOnlyMemory<byte> rest;

    /// <param name="fileSizes">Gets the size of each file that an increment makes, in order; not disposed.</param>
    public ServerIncrements(DeltaBase delta, NumberSpool fileSizes)
    {
        this.delta = delta;
        this.fileSizes = fileSizes;
        listed = new BlockSet(delta.FileBlocks);
        written = new BlockSet(delta.FileBlocks);
    }

    /// <summary>The label as it is written; empty while it has not come.</summary>
    public byte[] Label { get; private set; } = [];

    /// <summary>The name without the server's prefix; null when it has none.</summary>
    public static string? PlainName(string name)
    {
        var slash = name.LastIndexOf('/') + 1;
        return name.AsSpan(slash).StartsWith(NamePrefix, StringComparison.Ordinal)
            ? string.Concat(name.AsSpan(0, slash), name.AsSpan(slash + NamePrefix.Length)) : null;
    }

    public async ValueTask<RemoteIncrement?> FindAsync(
        TarReader reader, TarEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Name == BackupLabel.FileName)
        {
            Label = Plain(await ReadLabelAsync(reader, entry, cancellationToken).ConfigureAwait(false));
            return new RemoteIncrement(entry.Name, Label.Length, (tar, token) => tar.WriteContentAsync(Label, token))
            {
                IsIncrement = false,
            };
        }

        if (PlainName(entry.Name) is not { } name)
        {
            return null;
        }

        if (!delta.TryFindInParent(name, out _))
        {
            throw new DeltaImpossibleException(
                $"the server sends changes of '{name}', which the parent backup does not list", "Make a full backup (--full, -Full).");
        }

        return await ReadAsync(reader, entry, name, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Without the lines that keep PostgreSQL from starting on it.</summary>
    private static byte[] Plain(byte[] label) => Encoding.UTF8.GetBytes(string.Join('\n', Encoding.UTF8.GetString(label).Split('\n')
        .Where(line => !line.StartsWith("INCREMENTAL FROM ", StringComparison.Ordinal))));

    private static async ValueTask<byte[]> ReadLabelAsync(
        TarReader reader, TarEntry entry, CancellationToken cancellationToken)
    {
        if (entry.SizeBytes > MaxLabelBytes)
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt, $"The server sent a {BackupLabel.FileName} of {entry.SizeBytes} bytes, which cannot be one.");
        }

        var label = new MemoryStream();
        while (await reader.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            label.Write(piece.Span);
        }

        return label.ToArray();
    }

    private async ValueTask<RemoteIncrement> ReadAsync(
        TarReader reader, TarEntry entry, string name, CancellationToken cancellationToken)
    {
        using var header = new IncrementReader(entry.SizeBytes, (long)delta.FileBlocks * PageBytes, name);
        rest = default;
        while (!header.HasHeader)
        {
            var piece = await reader.ReadContentAsync(cancellationToken).ConfigureAwait(false);
            if (piece.IsEmpty)
            {
                header.ThrowIfUnfinished();
            }

            rest = piece[header.TakeHeader(piece.Span)..];
        }

        listed.Clear();
        written.Clear();
        for (var index = 0; index < header.Count; index++)
        {
            listed.Add((int)header.Block(index));
            written.Add((int)header.Block(index));
        }

        // What was cut off and has grown again without being written is zeros; the native format says so by its cut.
        var fileBytes = delta.Format == IncrementFormat.Native ? header.CutToBytes : header.FileBytes;
        for (var block = (int)(header.CutToBytes / PageBytes); block < fileBytes / PageBytes; block++)
        {
            written.Add(block);
        }

        fileSizes.Add(header.FileBytes);
        delta.CountScan(entry.SizeBytes);
        delta.CountIncrement(written.Count);
        return new RemoteIncrement(
            name,
            IncrementLayout.ContentBytes(delta.Format, written.Count),
            (tar, token) => WriteAsync(tar, reader, fileBytes, token));
    }

    private async ValueTask WriteAsync(TarWriter tar, TarReader reader, long fileBytes, CancellationToken cancellationToken)
    {
        await IncrementHeader.WriteAsync(tar, delta.Format, fileBytes, written, cancellationToken).ConfigureAwait(false);
        for (var block = written.Next(0); block >= 0; block = written.Next(block + 1))
        {
            for (var left = PageBytes; left > 0;)
            {
                if (!listed.Contains(block))
                {
                    var room = await tar.GetContentAsync(1, cancellationToken).ConfigureAwait(false);
                    room = room[..Math.Min(room.Length, left)];
                    room.Span.Clear();
                    tar.Advance(room.Length);
                    left -= room.Length;
                    continue;
                }

                if (rest.IsEmpty)
                {
                    rest = await reader.ReadContentAsync(cancellationToken).ConfigureAwait(false);
                }

                var part = rest[..Math.Min(rest.Length, left)];
                await tar.WriteContentAsync(part, cancellationToken).ConfigureAwait(false);
                rest = rest[part.Length..];
                left -= part.Length;
            }
        }
    }
}
