using System.Collections.Concurrent;
using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>
/// Carries what the engine says on its own threads to the pipeline's thread, the only one that may write to PowerShell.
/// Bounded: progress that comes faster than it can be shown is dropped, messages wait.
/// </summary>
internal sealed class PipelinePump : IEventLog, IProgress<TransferProgress>, IDisposable
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private readonly BlockingCollection<Action<Cmdlet>> queue = new(1024);
    private readonly ProgressView progress;
    private long lastProgress;
    private int writing;

    public PipelinePump(string cmdletName) => progress = new ProgressView(cmdletName);

    public bool IsEnabled(EventLevel level) => true;

    public void Write(in LogEvent logEvent)
    {
        var entry = logEvent;
        Post(cmdlet => WriteTo(cmdlet, entry));
    }

    public void Report(TransferProgress value)
    {
        var now = Environment.TickCount64;
        var last = Volatile.Read(ref lastProgress);
        if (now - last < ProgressInterval.TotalMilliseconds
            || Interlocked.CompareExchange(ref lastProgress, now, last) != last)
        {
            return;
        }

        try
        {
            // Never waits: the next report says the same with newer figures.
            queue.TryAdd(cmdlet => cmdlet.WriteProgress(progress.Record(value)));
        }
        catch (InvalidOperationException)
        {
            // This piece of the work has ended; the next has a pump of its own.
        }
    }

    /// <summary>Runs the work on a pool thread and writes what it says, until it ends or the pipeline is stopped.</summary>
    public T Run<T>(Cmdlet cmdlet, Func<Task<T>> work)
    {
        var running = Task.Run(async () =>
        {
            try
            {
                return await work().ConfigureAwait(false);
            }
            finally
            {
                queue.CompleteAdding();
            }
        });
        Volatile.Write(ref writing, 1);
        try
        {
            foreach (var write in queue.GetConsumingEnumerable())
            {
                write(cmdlet);
            }
        }
        finally
        {
            // A stopped pipeline throws out of a write: the work, cancelled by then, must not wait for a reader.
            Volatile.Write(ref writing, 0);
            while (!running.IsCompleted && queue.TryTake(out _, 50))
            {
            }

            if (progress.IsShown)
            {
                TryWriteCompleted(cmdlet);
            }
        }

        return running.GetAwaiter().GetResult();
    }

    /// <summary>Runs something on the pipeline's thread, such as a user's script block, and waits for what it gives.</summary>
    public Task<T> InvokeAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(_ =>
        {
            try
            {
                done.SetResult(work());
            }
            catch (PipelineStoppedException)
            {
                done.SetCanceled(CancellationToken.None);
                throw;
            }
            catch (Exception failure)
            {
                done.SetException(failure);
            }
        });
        return done.Task.WaitAsync(cancellationToken);
    }

    public void Dispose() => queue.Dispose();

    private static void WriteTo(Cmdlet cmdlet, in LogEvent entry)
    {
        switch (entry.Level)
        {
            case EventLevel.Debug: cmdlet.WriteDebug(entry.Message); break;
            case EventLevel.Info: cmdlet.WriteVerbose(entry.Message); break;
            default: cmdlet.WriteWarning(entry.Message); break;
        }
    }

    private void Post(Action<Cmdlet> write)
    {
        try
        {
            while (!queue.TryAdd(write, 100) && Volatile.Read(ref writing) == 1)
            {
            }
        }
        catch (InvalidOperationException)
        {
            // The cmdlet has ended; there is nobody left to tell.
        }
    }

    private void TryWriteCompleted(Cmdlet cmdlet)
    {
        try
        {
            cmdlet.WriteProgress(progress.Completed());
        }
        catch (PipelineStoppedException)
        {
            // A stopped pipeline takes its progress bars with it.
        }
    }
}
