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

    /// <summary>Null for a full backup.</summary>
    public DeltaBase? Delta { get; init; }

    /// <summary>Opens a file; null when it is gone. <see cref="DataFile.TryOpen"/>, but for tests.</summary>
    public Func<string, long, IDataFile?> OpenFile { get; init; } = DataFile.TryOpen;
}

/// <summary>
/// One lane of a backup: puts files into a tar, and begins another when that has grown past the threshold. A file is
/// never split. Memory: one buffer, lent by the caller; for a delta a second one.
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
    private readonly DeltaLane? delta;
    private BackupTar? tar;

    /// <param name="scanBuffer">For looking for changed pages; not used in a full backup.</param>
    public TarPartBuilder(TarPartContext context, Memory<byte> buffer, Memory<byte> scanBuffer = default)
    {
        this.context = context;
        this.buffer = buffer;
        delta = context.Delta is null ? null : new DeltaLane(context, scanBuffer);
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
        Describe(Entry(walked.Name, walked.Facts));
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
        var share = delta is null
            ? DeltaShare.Whole
            : await delta.ChooseAsync(walked, cancellationToken).ConfigureAwait(false);
        if (share == DeltaShare.Nothing)
        {
            context.Delta!.CountUnchanged();
            context.Progress.Add(walked.Name, walked.Facts.SizeBytes);
            Describe(Entry(walked.Name, walked.Facts) with { IsSkipped = true });
            return;
        }

        using var file = context.OpenFile(walked.Path, walked.Facts.SizeBytes);
        if (file is null || file.Facts.Kind != FileKind.File)
        {
            VanishedCount++;
            return;
        }

        if (share == DeltaShare.Pages && await delta!.ScanAsync(file, walked.Name, cancellationToken).ConfigureAwait(false))
        {
            await AddIncrementAsync(walked, file, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await AddWholeAsync(walked, file, cancellationToken).ConfigureAwait(false);
        }

        FileCount++;
        if (tar!.ContentBytes > context.SizeThresholdBytes)
        {
            await CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask AddWholeAsync(WalkedFile walked, IDataFile file, CancellationToken cancellationToken)
    {
        // A file replaced by renaming since the walk has another size: header, content and time are of what is open.
        var facts = file.Facts;
        await BeginAsync(walked, TarEntryKind.File, facts, facts.SizeBytes, cancellationToken).ConfigureAwait(false);
        var verification = context.Verification?.Begin(walked.Name);
        await CopyAsync(file, verification, walked.Name, cancellationToken).ConfigureAwait(false);
        await tar!.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
        Describe(Entry(walked.Name, facts) with { CorruptBlocks = verification?.Result });
    }

    private async ValueTask AddIncrementAsync(WalkedFile walked, IDataFile file, CancellationToken cancellationToken)
    {
        var facts = file.Facts;
        await BeginAsync(walked, TarEntryKind.File, facts, delta!.IncrementBytes, cancellationToken).ConfigureAwait(false);
        var verification = context.Verification?.Begin(walked.Name);
        await delta.WriteAsync(tar!.Tar, file, verification, cancellationToken).ConfigureAwait(false);
        await tar.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
        Describe(Entry(walked.Name, facts) with { IsIncremented = true, CorruptBlocks = verification?.Result });
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

    private void Describe(in FilesMetadataEntry entry) => context.Tars.Metadata?.AddFile(entry);

    private FilesMetadataEntry Entry(string name, in FileFacts facts) =>
        new() { Name = name, ModifiedTime = RecordedTime(facts) };

    /// <summary>
    /// The time that the next delta compares: equal means unchanged. That of a file changed a moment ago is moved by a
    /// nanosecond, so that a change that leaves the time as it is cannot be missed: the delta looks into the file then. So
    /// is that of a file of which not all was looked at.
    /// </summary>
    private WalGTime RecordedTime(in FileFacts facts)
    {
        var age = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - facts.ModifiedUnixSeconds;
        var isSure = facts.Kind != FileKind.File || (age > RecentSeconds && delta is not { IsTimeUnreliable: true });
        return isSure ? facts.Modified : (facts with { ModifiedNanoseconds = facts.ModifiedNanoseconds ^ 1 }).Modified;
    }
}
