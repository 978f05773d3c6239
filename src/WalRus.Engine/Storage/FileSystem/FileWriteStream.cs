using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;

namespace WalRus.Storage.FileSystem;

/// <summary>Writes a temporary file and, on completion, syncs it and gives it its name.</summary>
internal sealed class FileWriteStream : OutputStream
{
    private readonly object gate = new();
    private readonly FileSystemObjectStore store;
    private readonly DiskCall disk;
    private readonly SafeFileHandle handle;
    private readonly string temporary;
    private readonly string path;
    private readonly WriteCondition condition;
    private long length;
    private Phase phase;
    private bool finishing;

    public FileWriteStream(
        FileSystemObjectStore store, SafeFileHandle handle, string temporary, (string Path, WriteCondition Condition) target)
    {
        this.store = store;
        this.handle = handle;
        this.temporary = temporary;
        disk = store.Disk;
        (path, condition) = target;
    }

    private enum Phase
    {
        Writing,
        Publishing,
        Published,
        Abandoned,
    }

    /// <remarks>
    /// Writes on the caller's thread: the page cache takes a chunk sooner than a hand-over to another thread would. What
    /// can take long, the sync, runs beside the caller with a deadline.
    /// </remarks>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            RandomAccess.Write(handle, buffer.Span, length);
            length += buffer.Length;
            return ValueTask.CompletedTask;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        finishing = true;

        // A thread of its own: syncing a large file takes seconds, for which no thread of the pool should be held.
        var finish = Task.Factory.StartNew(
            Finish, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await finish.WaitAsync(disk.Limit, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!TryAbandon())
        {
            // The object is being given its name: what comes of it is the answer.
            await FinishedAsync(finish).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Not for the sync to end, which may take long: the name goes at once, the space with the finishing thread's handle.
            await DiskCall.LeaveAsync(Task.Run(RemoveName, CancellationToken.None)).ConfigureAwait(false);
            throw;
        }
        catch (TimeoutException)
        {
            _ = TryAbandon();
            throw disk.DeadlinePassed($"Writing '{path}'");
        }
    }

    protected override void Dispose(bool disposing)
    {
        // While the finishing thread has the file, that thread closes and removes it.
        if (TryAbandon() && !finishing)
        {
            RemoveTemporary();
        }

        base.Dispose(disposing);
    }

    private async ValueTask FinishedAsync(Task finish)
    {
        try
        {
            await finish.WaitAsync(disk.Limit, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw disk.DeadlinePassed($"Writing '{path}'");
        }
    }

    /// <returns>False when the object is past being abandoned, or is already.</returns>
    private bool TryAbandon()
    {
        lock (gate)
        {
            if (phase != Phase.Writing)
            {
                return false;
            }

            phase = Phase.Abandoned;
            return true;
        }
    }

    private void Finish()
    {
        try
        {
            RandomAccess.FlushToDisk(handle);
            handle.Dispose();
            if (MayPublish())
            {
                Publish();
                phase = Phase.Published;
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
        finally
        {
            if (phase != Phase.Published)
            {
                RemoveTemporary();
            }
        }
    }

    private bool MayPublish()
    {
        lock (gate)
        {
            if (phase == Phase.Writing)
            {
                phase = Phase.Publishing;
            }

            return phase == Phase.Publishing;
        }
    }

    private void Publish()
    {
        if (condition == WriteCondition.None)
        {
            FilePublication.Replace(temporary, path);
        }
        else if (!FilePublication.TryCreate(temporary, path))
        {
            throw new WalRusException(ErrorCode.ObjectExists, $"'{path}' already exists.");
        }

        store.SyncFoldersOf(path);
    }

    private void RemoveTemporary()
    {
        handle.Dispose();
        RemoveName();
    }

    private void RemoveName()
    {
        try
        {
            File.Delete(temporary);
            store.RemoveEmptyFoldersOf(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Nothing visible is left; the stale name goes with a later delete (FileSystemObjectStore).
        }
    }
}
