using System.Globalization;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Takes from each relation file that the parent has too the pages changed since the parent's start. The server sends all
/// of the file; what is kept of it waits in a <see cref="PageSpool"/>.
/// </summary>
internal sealed class ScannedIncrements : IRemoteIncrements
{
    private const int PageBytes = IncrementLayout.PageBytes;
    private const string VersionFile = "/PG_VERSION";

    /// <summary>Between the clock the parent's start was read from and the server's.</summary>
    private const long ClockDifferenceSeconds = 600;

    private readonly DeltaBase delta;
    private readonly WalGTime parentStarted;
    private readonly bool hasChecksums;
    private readonly PageSpool spool;
    private readonly BlockSet candidates;
    private readonly BlockSet changed;
    private readonly HashSet<uint> incremented = [];
    private readonly HashSet<uint> replaced = [];

    /// <param name="parentStarted">By the clock of who made the parent.</param>
    /// <param name="hasChecksums">The cluster's pages have checksums: a torn page is told by its own.</param>
    /// <param name="spool">Not disposed.</param>
    public ScannedIncrements(DeltaBase delta, WalGTime parentStarted, bool hasChecksums, PageSpool spool)
    {
        this.delta = delta;
        this.parentStarted = parentStarted;
        this.hasChecksums = hasChecksums;
        this.spool = spool;
        candidates = new BlockSet(delta.FileBlocks);
        changed = new BlockSet(delta.FileBlocks);
    }

    public async ValueTask<RemoteIncrement?> FindAsync(
        TarReader reader, TarEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Name.EndsWith(VersionFile, StringComparison.Ordinal))
        {
            LookAtDatabase(entry, entry.Name[..^VersionFile.Length]);
            return null;
        }

        if (!RelationSegment.TryParse(entry.Name, out var segment) || segment.Database == 0 || replaced.Contains(segment.Database)
            || entry.SizeBytes == 0 || entry.SizeBytes % PageBytes != 0 || entry.SizeBytes / PageBytes > changed.Capacity
            || !delta.TryFindInParent(entry.Name, out _))
        {
            return null;
        }

        candidates.Clear();
        var answer = await delta.Source.FindAsync(segment, candidates, cancellationToken).ConfigureAwait(false);
        if (answer == ChangedBlocks.Replaced)
        {
            return null;
        }

        incremented.Add(segment.Database);
        if (answer == ChangedBlocks.Listed && candidates.Next(0) < 0)
        {
            delta.CountUnchanged();
            return new RemoteIncrement(entry.Name, 0, null);
        }

        if (answer == ChangedBlocks.Unknown)
        {
            candidates.AddFrom(0);
        }

        await ScanAsync(reader, segment.Segment, cancellationToken).ConfigureAwait(false);
        delta.CountScan(entry.SizeBytes);
        delta.CountIncrement(changed.Count);
        return new RemoteIncrement(
            entry.Name,
            IncrementLayout.ContentBytes(delta.Format, changed.Count),
            (tar, token) => WriteAsync(tar, entry.SizeBytes, token));
    }

    private async ValueTask ScanAsync(TarReader reader, uint segment, CancellationToken cancellationToken)
    {
        changed.Clear();
        spool.Clear();
        var firstBlock = unchecked(segment * (uint)delta.FileBlocks);
        var block = 0;
        while (await reader.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            for (var at = 0; at < piece.Length; at += PageBytes, block++)
            {
                var page = piece.Span.Slice(at, PageBytes);
                if (candidates.Contains(block) && IsTaken(page, firstBlock + (uint)block))
                {
                    changed.Add(block);
                    spool.Add(page);
                }
            }
        }
    }

    /// <summary>
    /// What cannot be read again is taken when in doubt: a page that is none, and one whose checksum says that it was torn
    /// while the server read it.
    /// </summary>
    private bool IsTaken(ReadOnlySpan<byte> page, uint block) =>
        PageChange.Of(page, delta.Since) != PageState.Unchanged
        || (hasChecksums && PageHeader.Read(page).Checksum != PageChecksum.Compute(page, block));

    private async ValueTask WriteAsync(TarWriter tar, long fileBytes, CancellationToken cancellationToken)
    {
        await IncrementHeader.WriteAsync(tar, delta.Format, fileBytes, changed, cancellationToken).ConfigureAwait(false);
        await spool.WriteToAsync(tar, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// A database's folder in its default tablespace has a PG_VERSION, written once. One written since the parent was made
    /// says that the database is another one than the parent's, under an OID that came round again, or of another copy of the
    /// cluster: pages of the two must not be mixed, in any tablespace. Files of it that came before this one may have been.
    /// </summary>
    private void LookAtDatabase(in TarEntry entry, string folder)
    {
        if (!uint.TryParse(folder.AsSpan(folder.LastIndexOf('/') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var database))
        {
            return;
        }

        var isRecorded = delta.TryFindInParent(entry.Name, out var seconds) && seconds == entry.ModifiedUnixSeconds;
        if (isRecorded || entry.ModifiedUnixSeconds < parentStarted.UnixSeconds - ClockDifferenceSeconds)
        {
            return;
        }

        replaced.Add(database);
        if (incremented.Contains(database))
        {
            throw new DeltaImpossibleException(
                $"'{folder}' was made after the parent backup, which has files of the same names",
                "The server is another copy of the cluster, or the database was dropped and made again. Make a full backup (--full, -Full).");
        }
    }
}
