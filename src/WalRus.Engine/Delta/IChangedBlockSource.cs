using WalRus.Postgres;

namespace WalRus.Delta;

/// <summary>What a source knows of one relation segment.</summary>
public enum ChangedBlocks
{
    /// <summary>Nothing: every page is looked at.</summary>
    Unknown,

    /// <summary>
    /// The file was made anew or copied into place by something that leaves its pages' LSNs as they were (CREATE DATABASE
    /// by file copy): the parent's file of that name is another one, and all of it is taken whatever its pages say.
    /// </summary>
    Replaced,

    /// <summary>The set holds every block that may have changed; none when the set is empty, and the file is not read.</summary>
    Listed,
}

/// <summary>
/// Says which blocks of a relation segment may have changed between the parent's start and this backup's start. A source
/// only picks candidates: each candidate's page LSN is compared before it is taken, so one block too many costs a read.
/// A block too few is lost data, since nothing looks at what is not listed. So a source lists as well the blocks that
/// were cut off by a truncation and may have grown again (<see cref="BlockSet.AddFrom"/>: pages that came back as zeros
/// are in no record), and answers <see cref="ChangedBlocks.Replaced"/> for a database that was copied file by file.
/// What happens from this backup's start on need not be known: replay repeats it.
/// </summary>
/// <remarks>Thread-safe: several lanes ask at once. Memory is bounded whatever the amount of WAL.</remarks>
public interface IChangedBlockSource : IAsyncDisposable
{
    /// <summary>For results and logs: "page LSNs", "WAL map", "WAL summaries".</summary>
    string Name { get; }

    /// <summary>Finds the candidates of one segment.</summary>
    /// <param name="segment">A main fork's file that the parent has too.</param>
    /// <param name="candidates">
    /// Empty when given; filled with block numbers relative to this file when the answer is
    /// <see cref="ChangedBlocks.Listed"/>, else without meaning. Numbers beyond the file's end do no harm.
    /// </param>
    /// <param name="cancellationToken">Stops the search.</param>
    ValueTask<ChangedBlocks> FindAsync(RelationSegment segment, BlockSet candidates, CancellationToken cancellationToken);
}

/// <summary>The stretch of WAL whose changes a source tells.</summary>
public sealed record ChangedBlockRange
{
    /// <summary>The parent's start: included.</summary>
    public required Lsn From { get; init; }

    /// <summary>This backup's start: everything before it is in the WAL already. Not included.</summary>
    public required Lsn To { get; init; }

    /// <summary>The timeline this backup is taken on and its past, which holds the parent's timeline.</summary>
    public required TimelineHistory Timelines { get; init; }

    public required WalSegmentSize SegmentSize { get; init; }

    /// <summary><c>server_version_num</c>, e.g. 170002: the same for parent and delta.</summary>
    public required int PgVersion { get; init; }

    public required ulong SystemIdentifier { get; init; }

    /// <summary>Blocks of a whole relation segment: the capacity of each <see cref="BlockSet"/>.</summary>
    public required int FileBlocks { get; init; }

    /// <summary>The server's data directory where it can be read (its pg_wal and WAL summaries); null for a remote backup.</summary>
    public string? DataDirectory { get; init; }
}

/// <summary>Opens a source for one backup, once its start is known. It is disposed by who asked for it.</summary>
/// <exception cref="WalRusException">
/// <see cref="ErrorCode.ChangedBlocksUnknown"/>: WAL or summaries of the range are missing or cannot be read. The backup
/// then looks at all pages, with a warning, or fails if it was told to.
/// </exception>
public delegate Task<IChangedBlockSource> ChangedBlockSourceOpener(
    ChangedBlockRange range, CancellationToken cancellationToken);
