using System.Globalization;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Checks the checksum of every page of relations' main forks while they are read. A page that the server writes at that
/// moment may be seen half old, half new: it is read again, and one that was changed since the backup began needs no
/// checksum, because replay restores it. Source: PostgreSQL's bufpage.c and basebackup.c; wal-g's <c>--verify</c>.
/// </summary>
internal sealed class PageVerification
{
    /// <summary>How many corrupt blocks of a file are listed unless all are asked for (wal-g's number).</summary>
    private const int ListedBlocks = 10;

    private const int MaxReadings = 5;

    /// <summary>No backup sees this much WAL pass: a page LSN further on is garbage, not a recent change.</summary>
    private const ulong FarAheadBytes = 1UL << 44;

    private static readonly TimeSpan BetweenReadings = TimeSpan.FromMilliseconds(20);

    private readonly int pageBytes;
    private readonly int fileBlocks;
    private readonly Lsn start;
    private readonly bool listAll;
    private long corruptCount;

    /// <param name="pageBytes">The cluster's page size.</param>
    /// <param name="fileBlocks">Blocks in one file of a relation (1 GiB of pages).</param>
    /// <param name="start">Where the backup starts.</param>
    /// <param name="listAll">List every corrupt block of a file instead of the first ten.</param>
    public PageVerification(int pageBytes, int fileBlocks, Lsn start, bool listAll)
    {
        this.pageBytes = pageBytes;
        this.fileBlocks = fileBlocks;
        this.start = start;
        this.listAll = listAll;
    }

    public int PageBytes => pageBytes;

    /// <summary>Corrupt pages found so far in all files.</summary>
    public long CorruptCount => Interlocked.Read(ref corruptCount);

    /// <summary>The check of one file, or null when its name is not that of a relation's main fork.</summary>
    /// <param name="name">The tar member's name: "/base/16384/16385.1".</param>
    public FileVerification? Begin(string name)
    {
        if (!name.StartsWith("/base/", StringComparison.Ordinal) && !name.StartsWith("/global/", StringComparison.Ordinal)
            && !name.StartsWith("/pg_tblspc/", StringComparison.Ordinal))
        {
            return null;
        }

        var last = name.AsSpan(name.LastIndexOf('/') + 1);
        var dot = last.IndexOf('.');
        uint segment = 0;
        var isRelation = uint.TryParse(dot < 0 ? last : last[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && (dot < 0
                || uint.TryParse(last[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out segment));
        return isRelation ? new FileVerification(this, unchecked(segment * (uint)fileBlocks)) : null;
    }

    /// <summary>What one file's pages turned out to be.</summary>
    internal sealed class FileVerification(PageVerification owner, uint firstBlock)
    {
        private List<uint>? corrupt;
        private long count;

        /// <summary>Null when every page was good.</summary>
        public CorruptBlocks? Result => count == 0 ? null : new CorruptBlocks(count, corrupt!);

        /// <summary>Checks whole pages; those that had to be read again are replaced by their last reading.</summary>
        /// <param name="pages">A whole number of pages.</param>
        /// <param name="offset">Where they are in the file, in bytes: a multiple of the page size.</param>
        public async ValueTask CheckAsync(
            Memory<byte> pages, long offset, IDataFile file, CancellationToken cancellationToken)
        {
            for (var at = 0; at < pages.Length; at += owner.pageBytes)
            {
                var block = (uint)((offset + at) / owner.pageBytes);
                var page = pages.Slice(at, owner.pageBytes);
                if (!owner.IsGood(page.Span, firstBlock + block)
                    && !await ReadAgainAsync(page, block, file, cancellationToken).ConfigureAwait(false))
                {
                    Add(block);
                }
            }
        }

        private async ValueTask<bool> ReadAgainAsync(
            Memory<byte> page, uint block, IDataFile file, CancellationToken cancellationToken)
        {
            // A file with that many bad pages is broken, not busy: waiting for each would take hours.
            var isBroken = count >= ListedBlocks;
            for (var reading = 1; reading < (isBroken ? 2 : MaxReadings); reading++)
            {
                if (!isBroken)
                {
                    await Task.Delay(BetweenReadings * reading, cancellationToken).ConfigureAwait(false);
                }

                var length = file.Read(page.Span, (long)block * owner.pageBytes);
                if (length < page.Length)
                {
                    // Truncated meanwhile: what is gone reads as zeros, as it does beyond the end.
                    page.Span[length..].Clear();
                    return true;
                }

                if (owner.IsGood(page.Span, firstBlock + block))
                {
                    return true;
                }
            }

            return false;
        }

        private void Add(uint block)
        {
            count++;
            Interlocked.Increment(ref owner.corruptCount);
            corrupt ??= [];
            if (owner.listAll || corrupt.Count < ListedBlocks)
            {
                corrupt.Add(block);
            }
        }
    }

    private bool IsGood(ReadOnlySpan<byte> page, uint block)
    {
        var header = PageHeader.Read(page);
        if (header.IsNew || header.Checksum == PageChecksum.Compute(page, block))
        {
            return true;
        }

        // Changed since the backup began: replay writes the whole page again.
        return header.Lsn >= start && header.Lsn.Value - start.Value < FarAheadBytes;
    }
}
