using System.Diagnostics;
using System.Threading.Channels;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>A received file on its way to the store.</summary>
/// <param name="Name">Its name in the archive.</param>
/// <param name="Finish">Makes it whole and durable in the folder, once, and gives its path.</param>
/// <param name="Start">Where a whole segment begins; null for what the durable position does not wait for.</param>
internal sealed record ReceivedFile(string Name, Func<string> Finish, Lsn? Start)
{
    public long Begun { get; } = Stopwatch.GetTimestamp();
}

/// <summary>
/// Stores received files over a bounded number of lanes, keeps trying while the store is in trouble, and knows up to where
/// everything is durable. What cannot get better by waiting is a fault that ends the run.
/// </summary>
internal sealed class ReceiveUploads : IAsyncDisposable
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private readonly object gate = new();
    private readonly WalPush push;
    private readonly ReceiveProgress progress;
    private readonly WalReceiveOptions options;
    private readonly Func<ReceivedWal, CancellationToken, ValueTask>? onDurable;
    private readonly IEventLog log;
    private readonly Channel<ReceivedFile> queue = Channel.CreateUnbounded<ReceivedFile>();
    private readonly List<ReceivedFile> pending = [];
    private readonly SemaphoreSlim room;
    private readonly SemaphoreSlim reporting = new(1, 1);
    private readonly CancellationTokenSource ending;
    private readonly Task[] lanes;
    private TaskCompletionSource changed = New();
    private Lsn current;
    private long drainBegun;

    /// <param name="push">What stores a file.</param>
    /// <param name="options">How many lanes, and how much may wait.</param>
    /// <param name="progress">Told what is durable.</param>
    /// <param name="onDurable">Told of each file; null for nobody.</param>
    /// <param name="log">Where waiting is said.</param>
    /// <param name="cancellationToken">Gives up what is under way; the files stay in the folder.</param>
    public ReceiveUploads(
        WalPush push,
        WalReceiveOptions options,
        ReceiveProgress progress,
        Func<ReceivedWal, CancellationToken, ValueTask>? onDurable,
        IEventLog log,
        CancellationToken cancellationToken)
    {
        this.push = push;
        this.progress = progress;
        this.options = options;
        this.onDurable = onDurable;
        this.log = log;
        room = new SemaphoreSlim(options.WaitingSegments, options.WaitingSegments);
        ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        lanes = [.. Enumerable.Range(0, options.Lanes).Select(_ => Task.Run(RunLaneAsync, CancellationToken.None))];
    }

    /// <summary>Called when the durable position has moved.</summary>
    public Action? OnAdvanced { get; set; }

    /// <summary>What ended the lanes; null while they run.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Fires when there is a <see cref="Fault"/>, or the run is given up.</summary>
    public CancellationToken Ended => ending.Token;

    /// <summary>The start of the segment that is being received: the durable position once nothing waits.</summary>
    public void MoveTo(Lsn segmentStart)
    {
        lock (gate)
        {
            current = segmentStart;
            progress.Durable = DurablePosition();
        }
    }

    /// <summary>Takes a file; waits while too many wait for the store.</summary>
    public async ValueTask EnqueueAsync(ReceivedFile file, CancellationToken cancellationToken)
    {
        if (!room.Wait(0, CancellationToken.None))
        {
            log.ReceivePaused(options.WaitingSegments);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
            await room.WaitAsync(either.Token).ConfigureAwait(false);
            log.ReceiveGoesOn();
        }

        lock (gate)
        {
            pending.Add(file);
            progress.Waiting = pending.Count;
        }

        queue.Writer.TryWrite(file);
    }

    /// <summary>Waits until everything taken is durable.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token);
        while (true)
        {
            Task change;
            lock (gate)
            {
                if (pending.Count == 0)
                {
                    return;
                }

                change = changed.Task;
            }

            await change.WaitAsync(either.Token).ConfigureAwait(false);
        }
    }

    /// <summary>The same once asked to end, for the drain limit at most, however often it is called.</summary>
    public async Task DrainAtEndAsync(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            drainBegun = drainBegun == 0 ? Stopwatch.GetTimestamp() : drainBegun;
        }

        var left = options.DrainLimit - Stopwatch.GetElapsedTime(drainBegun);
        using var limit = new Deadline(left > TimeSpan.Zero ? left : TimeSpan.Zero, options.Time, cancellationToken);
        try
        {
            await DrainAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            log.ReceiveDrainCut(progress.Waiting, options.DrainLimit);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(lanes).ConfigureAwait(false);
        ending.Dispose();
        room.Dispose();
        reporting.Dispose();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Failures that somebody may mend while this waits; a file that is wrong stays wrong.</summary>
    private static bool MayPass(WalRusException failure) => failure.IsTransient || failure.Code
        is ErrorCode.StoreNotFound or ErrorCode.StoreAccessDenied or ErrorCode.StoreCredentialsExpired or ErrorCode.StoreClockSkewed
        or ErrorCode.StoreUnreachable or ErrorCode.StoreThrottled or ErrorCode.StoreFailed or ErrorCode.DeadlineExceeded
        or ErrorCode.ObjectNotFound or ErrorCode.DiskFull;

    private async Task RunLaneAsync()
    {
        try
        {
            await foreach (var file in queue.Reader.ReadAllAsync(ending.Token).ConfigureAwait(false))
            {
                var path = file.Finish();
                var result = await StoreAsync(file, path).ConfigureAwait(false);
                ReceiveFolder.Remove(path);
                await ReportAsync(file, result).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The files stay in the folder, for the next run.
        }
        catch (Exception failure)
        {
            lock (gate)
            {
                Fault ??= failure;
            }

            await ending.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<WalPushResult> StoreAsync(ReceivedFile file, string path)
    {
        for (var wait = FirstWait; ; wait = wait * 2 < LongestWait ? wait * 2 : LongestWait)
        {
            try
            {
                return await push.RunAsync(new WalPushRequest { Path = path }, ending.Token).ConfigureAwait(false);
            }
            catch (WalRusException failure) when (MayPass(failure))
            {
                log.ReceiveStoreWaiting(file.Name, wait, failure.Message);
                await Task.Delay(wait, options.Time, ending.Token).ConfigureAwait(false);
            }
        }
    }

    private async Task ReportAsync(ReceivedFile file, WalPushResult result)
    {
        await reporting.WaitAsync(ending.Token).ConfigureAwait(false);
        try
        {
            progress.Stored(WalFile.Parse(file.Name).Kind, result.BytesOut);
            lock (gate)
            {
                pending.Remove(file);
                progress.Waiting = pending.Count;
                progress.Durable = DurablePosition();
                changed.SetResult();
                changed = New();
            }

            room.Release();
            OnAdvanced?.Invoke();
            if (onDurable is not null)
            {
                await onDurable(ToReceived(file, result), ending.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            reporting.Release();
        }
    }

    private ReceivedWal ToReceived(ReceivedFile file, WalPushResult result) => new()
    {
        Name = file.Name,
        State = result.State,
        Key = result.Key?.ToString(),
        BytesIn = result.BytesIn,
        BytesOut = result.BytesOut,
        Delay = Stopwatch.GetElapsedTime(file.Begun),
        DurablePosition = progress.Durable,
        LagBytes = Math.Max(0, progress.Server - progress.Durable),
    };

    /// <summary>Nothing before the oldest segment that waits, nor before the one being received, is missing from the store.</summary>
    private Lsn DurablePosition()
    {
        var position = current;
        foreach (var file in pending)
        {
            if (file.Start is { } start && start < position)
            {
                position = start;
            }
        }

        return position;
    }
}
