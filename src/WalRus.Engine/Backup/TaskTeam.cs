namespace WalRus.Backup;

/// <summary>Tasks that stand or fall together: the first failure cancels the others and is the one that is reported.</summary>
internal sealed class TaskTeam : IDisposable
{
    private readonly CancellationToken outer;
    private readonly CancellationTokenSource stop;
    private readonly List<Task> members = [];
    private Exception? first;

    public TaskTeam(CancellationToken outer)
    {
        this.outer = outer;
        stop = CancellationTokenSource.CreateLinkedTokenSource(outer);
    }

    /// <summary>Starts a member on the thread pool; it must stop soon when its token fires.</summary>
    public Task Run(Func<CancellationToken, Task> member)
    {
        var task = Task.Run(() => GuardAsync(member));
        members.Add(task);
        return task;
    }

    /// <summary>Waits for all members, then throws the first failure or the caller's cancellation.</summary>
    public async Task WaitAsync()
    {
        await Task.WhenAll(members).ConfigureAwait(false);
        outer.ThrowIfCancellationRequested();
        if (first is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }
    }

    public void Dispose() => stop.Dispose();

    private async Task GuardAsync(Func<CancellationToken, Task> member)
    {
        try
        {
            await member(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // It was told to: the failure that made it so, or the caller's token, is reported instead.
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref first, failure, null);
            await stop.CancelAsync().ConfigureAwait(false);
        }
    }
}
