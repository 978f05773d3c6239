namespace WalRus.Storage.FileSystem;

/// <summary>
/// Runs calls into a file system that may hang (a network file system whose server is gone) beside the caller, who
/// waits no longer than a deadline. The call itself cannot be stopped; what it brings late is thrown away.
/// </summary>
internal readonly record struct DiskCall(TimeSpan Limit)
{
    /// <param name="call">What to run, on a pool thread.</param>
    /// <param name="discard">Undoes a result that comes after the caller has left.</param>
    /// <param name="what">For the error: "Opening 'x'".</param>
    public async ValueTask<T> RunAsync<T>(
        Func<T> call, Action<T>? discard, string what, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var running = Task.Run(call, CancellationToken.None);
        try
        {
            return await running.WaitAsync(Limit, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception left) when (left is TimeoutException or OperationCanceledException)
        {
            Forget(running, discard);
            if (left is TimeoutException)
            {
                throw DeadlinePassed(what);
            }

            throw;
        }
    }

    public WalRusException DeadlinePassed(string what) => new(
        ErrorCode.DeadlineExceeded,
        $"{what} took longer than {Limit.TotalSeconds:0} s.",
        "Look whether the disk or the file server hangs (dmesg, mount).") { IsTransient = true };

    private static void Forget<T>(Task<T> running, Action<T>? discard) => _ = running.ContinueWith(
        static (ended, state) =>
        {
            // Reading Exception marks a late failure as seen: nobody waits for it any more.
            if (ended.Exception is null)
            {
                ((Action<T>?)state)?.Invoke(ended.Result);
            }
        },
        discard,
        CancellationToken.None,
        TaskContinuationOptions.ExecuteSynchronously,
        TaskScheduler.Default);
}
