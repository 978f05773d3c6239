using System.Diagnostics;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>What all lanes of one backup have in common.</summary>
internal sealed record TarPartContext
{
    public required BackupTars Tars { get; init; }

    /// <summary>A tar is closed once the files in it pass this many bytes.</summary>
    public required long SizeThresholdBytes { get; init; }

    public required UnixAccounts Accounts { get; init; }

    /// <summary>Null when checksums are not checked.</summary>
    public PageVerification? Verification { get; init; }

    /// <summary>Null for no limit.</summary>
    public RateLimiter? DiskRate { get; init; }

    public required BackupProgress Progress { get; init; }

    /// <summary>Opens a file; null when it is gone. <see cref="DataFile.TryOpen"/>, but for tests.</summary>
    public Func<string, long, IDataFile?> OpenFile { get; init; } = DataFile.TryOpen;
}

/// <summary>
/// One lane of a backup: puts files into a tar, and begins another when that has grown past the threshold. A file is
/// never split. Memory: one buffer, lent by the caller.
/// </summary>
internal sealed class TarPartBuilder : IAsyncDisposable
{
    /// <summary>A lane's buffer: the size of one read from disk and one write to the codec.</summary>
    public const int BufferBytes = 256 * 1024;

    private const int LeastReadBytes = 64 * 1024;

    /// <summary>
    /// A file changed this shortly before it is read may be changed again without its time moving on (file systems
    /// count in steps of milliseconds, network ones by another clock).
    /// </summary>
    private const long RecentSeconds = 2;

    private readonly TarPartContext context;
    private readonly Memory<byte> buffer;
    private BackupTar? tar;

    public TarPartBuilder(TarPartContext context, Memory<byte> buffer)
    {
        this.context = context;
        this.buffer = buffer;
    }

    /// <summary>Files that were gone when they were to be read.</summary>
    public long VanishedCount { get; private set; }

    /// <summary>Regular files put into tars.</summary>
    public long FileCount { get; private set; }

    public async ValueTask AddAsync(WalkedFile walked, CancellationToken cancellationToken)
    {
        if (walked.Facts.Kind == FileKind.File)
        {
            await AddFileAsync(walked, cancellationToken).ConfigureAwait(false);
            return;
        }

        var kind = walked.Facts.Kind == FileKind.Directory ? TarEntryKind.Directory : TarEntryKind.SymbolicLink;
        await BeginAsync(walked, kind, walked.Facts, 0, cancellationToken).ConfigureAwait(false);
        await tar!.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
        Describe(walked.Name, walked.Facts, null);
    }

    /// <summary>Ends the tar that is open, if any.</summary>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        if (tar is not null)
        {
            await tar.CompleteAsync(cancellationToken).ConfigureAwait(false);
            await tar.DisposeAsync().ConfigureAwait(false);
            tar = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (tar is not null)
        {
            await tar.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask AddFileAsync(WalkedFile walked, CancellationToken cancellationToken)
    {
        using var file = context.OpenFile(walked.Path, walked.Facts.SizeBytes);
        if (file is null || file.Facts.Kind != FileKind.File)
        {
            VanishedCount++;
            return;
        }

        // A file replaced by renaming since the walk has another size: header, content and time are of what is open.
        var facts = file.Facts;
        await BeginAsync(walked, TarEntryKind.File, facts, facts.SizeBytes, cancellationToken).ConfigureAwait(false);
        var verification = context.Verification?.Begin(walked.Name);
        await CopyAsync(file, verification, walked.Name, cancellationToken).ConfigureAwait(false);
        await tar!.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
        Describe(walked.Name, facts, verification?.Result);
        FileCount++;
        if (tar.ContentBytes > context.SizeThresholdBytes)
        {
            await CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask BeginAsync(
        WalkedFile walked, TarEntryKind kind, FileFacts facts, long sizeBytes, CancellationToken cancellationToken)
    {
        tar ??= await context.Tars.OpenPartAsync(buffer, isListed: true, cancellationToken).ConfigureAwait(false);
        var entry = new TarEntry(
            walked.Name,
            kind,
            sizeBytes,
            facts.Mode,
            facts.UserId,
            facts.GroupId,
            facts.ModifiedRoundedUnixSeconds,
            walked.LinkTarget);
        await tar.BeginAsync(entry, context.Accounts.Of(facts), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Exactly the size in the header: what a file grew by meanwhile is cut off, what it shrank by is zeros. Replay
    /// makes both right.
    /// </summary>
    private async ValueTask CopyAsync(
        IDataFile file, PageVerification.FileVerification? verification, string name, CancellationToken cancellationToken)
    {
        var writer = tar!.Tar;
        var pageBytes = verification is null ? 1 : context.Verification!.PageBytes;
        for (long offset = 0; writer.ContentLeft > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var room = await writer.GetContentAsync(LeastReadBytes, cancellationToken).ConfigureAwait(false);
            var isTail = room.Length == writer.ContentLeft;
            var part = isTail ? room : room[..(room.Length / pageBytes * pageBytes)];
            if (context.DiskRate is { } rate)
            {
                await rate.WaitAsync(part.Length, cancellationToken).ConfigureAwait(false);
            }

            var count = file.Read(part.Span, offset);
            if (verification is not null)
            {
                await verification
                    .CheckAsync(part[..(count / pageBytes * pageBytes)], offset, file, cancellationToken)
                    .ConfigureAwait(false);
            }

            writer.Advance(count);
            context.Progress.Add(name, count);
            offset += count;
            if (count < part.Length)
            {
                await writer.FillWithZerosAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private void Describe(string name, in FileFacts facts, CorruptBlocks? corrupt)
    {
        if (context.Tars.Metadata is { } metadata)
        {
            metadata.AddFile(new FilesMetadataEntry
            {
                Name = name,
                ModifiedTime = DistinctTime(facts),
                CorruptBlocks = corrupt,
            });
        }
    }

    /// <summary>
    /// The time that the next delta compares: equal means unchanged. That of a file changed a moment ago is moved by a
    /// nanosecond, so that a change that leaves the time as it is cannot be missed: the delta looks into the file then.
    /// </summary>
    private static WalGTime DistinctTime(in FileFacts facts)
    {
        var age = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - facts.ModifiedUnixSeconds;
        return age > RecentSeconds || facts.Kind != FileKind.File
            ? facts.Modified
            : (facts with { ModifiedNanoseconds = facts.ModifiedNanoseconds ^ 1 }).Modified;
    }
}
