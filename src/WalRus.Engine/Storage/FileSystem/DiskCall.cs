namespace WalRus.Storage.FileSystem;

/// <summary>
/// Runs calls into a file system that may hang (a network file system whose server is gone) beside the caller, who
/// waits no longer than a deadline. The call itself cannot be stopped; what it brings late is thrown away.
/// </summary>
internal readonly record struct DiskCall(TimeSpan Limit)
{
    /// <summary>
    /// How long one who is cancelled waits for what must not be left: the process may end at once behind it. A disk that works
    /// takes milliseconds.
    /// </summary>
    private static readonly TimeSpan LeaveLimit = TimeSpan.FromSeconds(2);

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
            var discarded = Forget(running, discard);
            if (left is TimeoutException)
            {
                throw DeadlinePassed(what);
            }

            if (discard is not null)
            {
                await LeaveAsync(discarded).ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>Waits a little for the removal of what a cancelled caller leaves; it goes on by itself if that is not enough.</summary>
    public static async ValueTask LeaveAsync(Task removal) => await removal.WaitAsync(LeaveLimit, CancellationToken.None)
        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    public WalRusException DeadlinePassed(string what) => new(
        ErrorCode.DeadlineExceeded,
        $"{what} took longer than {Limit.TotalSeconds:0} s.",
        "Look whether the disk or the file server hangs (dmesg, mount).") { IsTransient = true };

    private static Task Forget<T>(Task<T> running, Action<T>? discard) => running.ContinueWith(
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
