using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>What of a file goes into a delta.</summary>
internal enum DeltaShare
{
    /// <summary>All of it: it is new, or no relation's file.</summary>
    Whole,

    /// <summary>Nothing: it is as in the parent. It need not be opened.</summary>
    Nothing,

    /// <summary>Its changed pages, if they can be told.</summary>
    Pages,
}

/// <summary>
/// One lane's view of the files of a delta: decides what of each goes in, finds its changed pages, and writes them as an
/// increment. Two readings of a changed page: block numbers come before the pages in both formats. Memory: one buffer,
/// lent by the caller, and one bit a block.
/// </summary>
internal sealed class DeltaLane
{
    private const int PageBytes = IncrementLayout.PageBytes;
    private const int MaxReadings = 4;

    private static readonly TimeSpan BetweenReadings = TimeSpan.FromMilliseconds(10);

    private readonly TarPartContext context;
    private readonly DeltaBase delta;
    private readonly Memory<byte> buffer;
    private readonly BlockSet changed;
    private bool isListed;
    private long fileBytes;

    /// <param name="context">With a delta's base.</param>
    /// <param name="buffer">A whole number of pages.</param>
    public DeltaLane(TarPartContext context, Memory<byte> buffer)
    {
        this.context = context;
        this.buffer = buffer[..(buffer.Length / PageBytes * PageBytes)];
        delta = context.Delta!;
        changed = new BlockSet(delta.FileBlocks);
    }

    /// <summary>
    /// True when a source said which pages of the file chosen last to look at. Others may have changed since this backup's
    /// start, which replay repeats after this delta but not after the next one: the next one must look at the file again.
    /// </summary>
    public bool IsTimeUnreliable => isListed;

    /// <summary>Bytes of the increment that <see cref="ScanAsync"/> has prepared.</summary>
    public long IncrementBytes => IncrementLayout.ContentBytes(delta.Format, changed.Count);

    public async ValueTask<DeltaShare> ChooseAsync(WalkedFile file, CancellationToken cancellationToken)
    {
        isListed = false;
        var isUnchanged = delta.IsUnchanged(file);
        if (isUnchanged is null)
        {
            return DeltaShare.Whole;
        }

        var isRelation = RelationSegment.TryParse(file.Name, out var segment);
        var isShared = segment.Database == 0;
        if (isRelation && !isShared && delta.IsReplaced(segment.Database))
        {
            return DeltaShare.Whole;
        }

        if (isUnchanged.Value)
        {
            return DeltaShare.Nothing;
        }

        var share = isRelation ? await AskSourceAsync(segment, cancellationToken).ConfigureAwait(false) : DeltaShare.Whole;
        if (share != DeltaShare.Pages || !isShared)
        {
            return share;
        }

        // A relation of global is small, and wal-g makes no increments of those.
        isListed = false;
        return DeltaShare.Whole;
    }

    /// <summary>Finds the changed pages of the file chosen last.</summary>
    /// <returns>False when the file has to go in whole: it has a page that is none, or a part of one.</returns>
    public async ValueTask<bool> ScanAsync(IDataFile file, string name, CancellationToken cancellationToken)
    {
        fileBytes = file.Facts.SizeBytes;
        if (fileBytes == 0 || fileBytes % PageBytes != 0 || fileBytes / PageBytes > changed.Capacity)
        {
            return false;
        }

        if (!isListed)
        {
            changed.AddFrom(0);
        }

        changed.RemoveFrom((int)(fileBytes / PageBytes));
        for (var block = changed.Next(0); block >= 0;)
        {
            var run = RunFrom(block, buffer.Length / PageBytes);
            var part = buffer[..(run * PageBytes)];
            await PayAsync(part.Length, cancellationToken).ConfigureAwait(false);
            var count = file.Read(part.Span, (long)block * PageBytes);
            delta.CountScan(count);
            context.Progress.Add(name, count);
            for (var index = 0; index < run; index++)
            {
                // A page that is cut off by now is kept: zeros, which replay makes right.
                if ((index + 1) * PageBytes <= count
                    && !await JudgeAsync(part.Slice(index * PageBytes, PageBytes), block + index, file, cancellationToken)
                        .ConfigureAwait(false))
                {
                    return false;
                }
            }

            block = changed.Next(block + run);
        }

        return true;
    }

    /// <summary>Writes the increment as the content of the tar's current member.</summary>
    public async ValueTask WriteAsync(
        TarWriter tar, IDataFile file, PageVerification.FileVerification? verification, CancellationToken cancellationToken)
    {
        var count = changed.Count;
        await IncrementHeader.WriteAsync(tar, delta.Format, fileBytes, changed, cancellationToken).ConfigureAwait(false);
        for (var block = changed.Next(0); block >= 0;)
        {
            var room = await tar.GetContentAsync(PageBytes, cancellationToken).ConfigureAwait(false);
            var run = RunFrom(block, room.Length / PageBytes);
            var pages = room[..(run * PageBytes)];
            await PayAsync(pages.Length, cancellationToken).ConfigureAwait(false);
            var read = file.Read(pages.Span, (long)block * PageBytes);
            pages.Span[read..].Clear();
            if (verification is not null)
            {
                await verification
                    .CheckAsync(pages[..(read / PageBytes * PageBytes)], (long)block * PageBytes, file, cancellationToken)
                    .ConfigureAwait(false);
            }

            tar.Advance(pages.Length);
            block = changed.Next(block + run);
        }

        delta.CountIncrement(count);
    }

    private async ValueTask<DeltaShare> AskSourceAsync(RelationSegment segment, CancellationToken cancellationToken)
    {
        changed.Clear();
        switch (await delta.Source.FindAsync(segment, changed, cancellationToken).ConfigureAwait(false))
        {
            case ChangedBlocks.Listed:
                isListed = true;

                // Blocks beyond the file's end count: they say that it was cut, which the parent's file was not.
                return changed.Next(0) < 0 ? DeltaShare.Nothing : DeltaShare.Pages;
            case ChangedBlocks.Unknown:
                return DeltaShare.Pages;
            default:
                return DeltaShare.Whole;
        }
    }

    private async ValueTask<bool> JudgeAsync(
        Memory<byte> page, int block, IDataFile file, CancellationToken cancellationToken)
    {
        var state = PageChange.Of(page.Span, delta.Since);
        for (var reading = 1; state == PageState.Unreadable && MayBeTorn(page.Span) && reading < MaxReadings; reading++)
        {
            await Task.Delay(BetweenReadings * reading, cancellationToken).ConfigureAwait(false);
            if (file.Read(page.Span, (long)block * PageBytes) < PageBytes)
            {
                return true;
            }

            state = PageChange.Of(page.Span, delta.Since);
        }

        if (state == PageState.Unchanged)
        {
            changed.Remove(block);
        }

        return state != PageState.Unreadable;
    }

    /// <summary>A page without LSN is an unlogged relation's, whole and as it should be: no reason to read again.</summary>
    private static bool MayBeTorn(ReadOnlySpan<byte> page) => PageHeader.Read(page).Lsn.IsValid;

    private int RunFrom(int block, int most)
    {
        var run = 1;
        while (run < most && changed.Contains(block + run))
        {
            run++;
        }

        return run;
    }

    private ValueTask PayAsync(int bytes, CancellationToken cancellationToken) =>
        context.DiskRate is { } rate ? rate.WaitAsync(bytes, cancellationToken) : ValueTask.CompletedTask;
}
