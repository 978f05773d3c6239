using System.Runtime.ExceptionServices;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>
/// Archives what PostgreSQL asks for, one file at a time, and meanwhile what it will ask for next: lanes take the names
/// that archive_status says are ready, in PostgreSQL's order. An ask for a file that is durable already is answered at
/// once, provided it is still the same file, unwritten since.
/// <para>What is known of files pushed ahead is bounded, however large the backlog: a limit on their number, and names read
/// a batch at a time. How many lanes work while the store is in trouble is <see cref="LaneAllowance"/>'s.</para>
/// </summary>
internal sealed class LookAheadUploader : IAsyncDisposable
{
    /// <summary>What was answered stays "ready" until PostgreSQL has renamed it; it need not be pushed again for that.</summary>
    private const int RecentCount = 128;

    private const int MostAhead = 1024;

    private readonly object gate = new();
    private readonly WalPush push;
    private readonly LookAheadOptions options;
    private readonly DaemonFigures figures;
    private readonly IEventLog log;
    private readonly Dictionary<string, Upload> uploads = new(StringComparer.Ordinal);
    private readonly Queue<Upload> asked = new();
    private readonly LaneAllowance allowance;
    private readonly RecentPaths answered = new(RecentCount);
    private readonly RecentPaths refused = new(RecentCount);
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ReadyQueue? ready;
    private int busy;
    private bool isReading;
    private bool isResting;
    private bool isDraining;

    public LookAheadUploader(WalPush push, LookAheadOptions options, DaemonFigures figures, IEventLog log)
    {
        this.push = push;
        this.options = options;
        this.figures = figures;
        this.log = log;
        Lanes = push.Options.UploadConcurrency;
        allowance = new LaneAllowance(Lanes);
        var limit = push.Options.NeighbourLimit;
        AheadLimit = limit < 1 || Lanes < 2 ? 0 : Math.Min(MostAhead, Math.Max(limit, 4 * Lanes));
    }

    public int Lanes { get; }

    /// <summary>How many files are pushed ahead at most; 0 for none.</summary>
    public int AheadLimit { get; }

    /// <summary>Lanes at work, files durable ahead of PostgreSQL, and whether a push runs long past its deadline.</summary>
    public (int Busy, int Ahead, bool IsStuck) Look()
    {
        lock (gate)
        {
            var ahead = 0;
            var isStuck = false;
            foreach (var upload in uploads.Values)
            {
                ahead += upload.IsDurable ? 1 : 0;
                isStuck |= upload is { Started: { } started, Done.IsCompleted: false }
                    && options.Time.GetElapsedTime(started) > options.PushTimeout + options.StuckGrace;
            }

            return (busy, ahead, isStuck);
        }
    }

    /// <summary>Nothing is under way, and nothing will be before somebody asks.</summary>
    internal bool IsAtRest
    {
        get
        {
            lock (gate)
            {
                return busy == 0 && !isReading && !isResting;
            }
        }
    }

    /// <summary>Returns when the file is durable in the archive, at once when it was pushed ahead.</summary>
    /// <exception cref="WalRusException">
    /// As <see cref="WalPush.RunAsync"/>; <see cref="ErrorCode.DeadlineExceeded"/> after the time a push may take.
    /// </exception>
    public async Task PushAsync(string path, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(options.PushTimeout, options.Time, cancellationToken);
        try
        {
            await PushWithinAsync(path, WalFile.Parse(Path.GetFileName(path)), limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw TookTooLong(path);
        }
    }

    /// <summary>
    /// Starts nothing more ahead, waits for what is under way, then cancels the rest. What is durable and was not asked for
    /// yet gets a mark, so that the next daemon, or a one-shot push, need not push it again.
    /// </summary>
    public async Task DrainAsync(TimeSpan limit)
    {
        lock (gate)
        {
            isDraining = true;
            if (busy == 0)
            {
                idle.TrySetResult();
            }
        }

        try
        {
            await idle.Task.WaitAsync(limit, options.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            log.DaemonDrainCut(Look().Busy, limit);
        }

        await stopping.CancelAsync().ConfigureAwait(false);
        MarkDurable();
    }

    /// <summary>Cancels what is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        await DrainAsync(TimeSpan.Zero).ConfigureAwait(false);
        stopping.Dispose();
    }

    private async Task PushWithinAsync(string path, WalFile file, CancellationToken cancellationToken)
    {
        while (true)
        {
            var identity = FileIdentity.Of(path) ?? throw NotThere(path);
            var upload = Find(path, file, identity, out var isOwn);
            await LookAheadAsync(path, file, cancellationToken).ConfigureAwait(false);
            var outcome = await upload.Done.WaitAsync(cancellationToken).ConfigureAwait(false);
            if (outcome.Identity == identity)
            {
                Answered(upload);
                return;
            }

            // What failed ahead is tried again on PostgreSQL's behalf, and so is a file that changed since it was looked at.
            if (isOwn && outcome.Failure is { } failure)
            {
                ExceptionDispatchInfo.Throw(failure);
            }
        }
    }

    /// <summary>The upload that holds or will hold these bytes: one under way or done, else a new one, next in line.</summary>
    private Upload Find(string path, WalFile file, FileIdentity identity, out bool isOwn)
    {
        lock (gate)
        {
            isOwn = false;
            if (uploads.TryGetValue(path, out var known))
            {
                if (!known.IsDurable || known.Done.Result.Identity == identity)
                {
                    return known;
                }

                uploads.Remove(path);
                log.AheadOutdated(file.Name);
            }

            MakeRoom();
            var upload = uploads[path] = new Upload(path, file, isAsked: true);
            asked.Enqueue(upload);
            StartMore();
            isOwn = true;
            return upload;
        }
    }

    /// <summary>
    /// PostgreSQL asks for something else than what was pushed ahead: the oldest of that gives way, else what nobody ever
    /// asks for would end all looking ahead.
    /// </summary>
    private void MakeRoom()
    {
        if (uploads.Count >= AheadLimit && uploads.Values.FirstOrDefault(upload => upload.IsDurable) is { } oldest)
        {
            uploads.Remove(oldest.Path);
        }
    }

    /// <summary>Lets free lanes take what is ready beside the asked file.</summary>
    private async ValueTask LookAheadAsync(string path, WalFile file, CancellationToken cancellationToken)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (AheadLimit == 0 || file.Kind != WalFileKind.Segment)
        {
            return;
        }

        if (Volatile.Read(ref ready)?.WalFolder != folder)
        {
            await push.CheckAsync(file, new FileInfo(path), cancellationToken).ConfigureAwait(false);
        }

        lock (gate)
        {
            if (ready?.WalFolder != folder)
            {
                ready = new ReadyQueue(folder, 512 + (2 * AheadLimit));
            }

            ready.Touch();
            StartMore();
        }
    }

    private void Answered(Upload upload)
    {
        lock (gate)
        {
            Forget(upload);
            answered.Add(upload.Path);
            StartMore();
        }

        figures.Answered(upload.File.Name);
    }

    /// <summary>Another upload of the same path may have taken its place.</summary>
    private void Forget(Upload upload)
    {
        if (uploads.TryGetValue(upload.Path, out var held) && held == upload)
        {
            uploads.Remove(upload.Path);
        }
    }

    /// <summary>Gives free lanes work. Called under the lock.</summary>
    private void StartMore()
    {
        while (busy < Lanes && Next() is { } next)
        {
            busy++;
            next.Started = options.Time.GetTimestamp();
            _ = Task.Run(() => RunAsync(next), CancellationToken.None);
        }
    }

    private Upload? Next()
    {
        if (asked.TryDequeue(out var waiting))
        {
            return waiting;
        }

        // While the store fails one push at a time finds out when it is back: the first, which is wanted most.
        if (ready is null || isDraining || isResting || busy >= allowance.Allowed)
        {
            return null;
        }

        while (uploads.Count < AheadLimit)
        {
            if (!ready.TryTake(out var name))
            {
                Read(ready);
                return null;
            }

            var path = Path.Combine(ready.WalFolder, name);
            if (!uploads.ContainsKey(path) && !answered.Contains(path) && !refused.Contains(path))
            {
                return uploads[path] = new Upload(path, WalFile.Parse(name), isAsked: false);
            }
        }

        return null;
    }

    /// <summary>Has the folder read, when that may bring something, outside the lock.</summary>
    private void Read(ReadyQueue queue)
    {
        if (isReading || !queue.NeedsReading)
        {
            return;
        }

        isReading = true;
        queue.BeginReading();
        _ = Task.Run(() =>
        {
            IReadOnlyList<string> names = [];
            try
            {
                names = queue.Read();
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // PostgreSQL's own asks go on.
                log.NeighbourFailed($"what is ready in {queue.WalFolder}", failure.Message);
            }

            lock (gate)
            {
                isReading = false;
                queue.EndReading(names);
                StartMore();
            }
        });
    }

    private async Task RunAsync(Upload upload)
    {
        UploadOutcome outcome;
        using (var limit = new Deadline(options.PushTimeout, options.Time, stopping.Token))
        {
            try
            {
                outcome = new UploadOutcome(await UploadAsync(upload, limit.Token).ConfigureAwait(false), null);
            }
            catch (OperationCanceledException) when (limit.HasPassed)
            {
                outcome = new UploadOutcome(null, TookTooLong(upload.Path));
            }
            catch (Exception failure)
            {
                // Whatever it is, the lane goes on: it is reported, and PostgreSQL asks again.
                outcome = new UploadOutcome(null, failure);
            }
        }

        lock (gate)
        {
            End(upload, outcome);
            upload.Complete(outcome);
            StartMore();
            if (busy == 0 && isDraining)
            {
                idle.TrySetResult();
            }
        }
    }

    /// <returns>The file that is durable now; null for one pushed ahead that is gone, or not ready any more.</returns>
    private async Task<FileIdentity?> UploadAsync(Upload upload, CancellationToken cancellationToken)
    {
        var folder = new ReadyFolder(Path.GetDirectoryName(upload.Path)!);
        var found = FileIdentity.Of(upload.Path);
        if (!upload.IsAsked && (found is null || !folder.IsReady(upload.File.Name)))
        {
            return null;
        }

        var identity = found ?? throw NotThere(upload.Path);
        await MakeDurableAsync(upload.File, new FileInfo(upload.Path), cancellationToken).ConfigureAwait(false);
        if (FileIdentity.Of(upload.Path) != identity)
        {
            throw WalPush.Changed(upload.Path, "another file took its place, or it was written to");
        }

        if (!upload.IsAsked && push.Options.RenameReady)
        {
            folder.MarkDone(upload.File.Name);
        }

        return identity;
    }

    private async Task MakeDurableAsync(WalFile file, FileInfo info, CancellationToken cancellationToken)
    {
        var (markers, length) = (push.MarkersOf(info), info.Length);
        if (await push.FindMarkedAsync(file, info, markers, cancellationToken).ConfigureAwait(false) is not null)
        {
            // An earlier daemon pushed it ahead. From now on this one knows.
            markers.Remove(file.Name);
            return;
        }

        var (state, _, bytesOut) = await push
            .PushFileAsync(file, info, push.Options.PreventOverwrite, null, cancellationToken).ConfigureAwait(false);
        if (state == WalPushState.Uploaded)
        {
            figures.Uploaded(length, bytesOut);
            log.WalPushed(file.Name, length, bytesOut);
        }
    }

    /// <summary>Takes note of how an upload ended. Called under the lock.</summary>
    private void End(Upload upload, UploadOutcome outcome)
    {
        busy--;
        var isWaitedFor = outcome.Identity is not null && (upload.IsAsked || !push.Options.RenameReady);
        if (!isWaitedFor)
        {
            Forget(upload);
        }

        if (outcome.Failure is null)
        {
            if (outcome.Identity is not null)
            {
                allowance.Succeeded();
                ready?.Touch();
                if (!isWaitedFor)
                {
                    answered.Add(upload.Path);
                }
            }

            return;
        }

        if (stopping.IsCancellationRequested)
        {
            return;
        }

        if (!upload.IsAsked)
        {
            log.NeighbourFailed(upload.File.Name, outcome.Failure.Message);
        }

        if (IsAboutTheFile(outcome.Failure))
        {
            // PostgreSQL asks for it in time and gets the error; the others go on.
            refused.Add(upload.Path);
            return;
        }

        if (outcome.Failure is WalRusException { Code: ErrorCode.DeadlineExceeded })
        {
            allowance.TimedOut(upload.Started!.Value, options.Time.GetTimestamp());
        }
        else
        {
            allowance.Failed();
        }

        ready?.Restart();
        Rest();
    }

    /// <summary>A pause before the next push ahead, so that a store that refuses at once is not asked a thousand times.</summary>
    private void Rest()
    {
        if (isResting)
        {
            return;
        }

        isResting = true;
        _ = RestAsync();

        async Task RestAsync()
        {
            await Task.Delay(options.ProbeInterval, options.Time, CancellationToken.None).ConfigureAwait(false);
            lock (gate)
            {
                isResting = false;
                StartMore();
            }
        }
    }

    private void MarkDurable()
    {
        List<Upload> durable;
        lock (gate)
        {
            durable = [.. uploads.Values.Where(upload => upload.IsDurable && upload.File.Kind == WalFileKind.Segment)];
            uploads.Clear();
        }

        foreach (var upload in durable)
        {
            try
            {
                if (FileIdentity.Of(upload.Path) == upload.Done.Result.Identity)
                {
                    var info = new FileInfo(upload.Path);
                    push.MarkersOf(info).Add(info);
                }
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // Without a mark it is pushed again, which costs time only.
                log.NeighbourFailed(upload.File.Name, failure.Message);
            }
        }
    }

    private static bool IsAboutTheFile(Exception failure) => failure is WalRusException
    {
        Code: ErrorCode.WalSegmentInvalid or ErrorCode.WalSegmentForeign or ErrorCode.WalSegmentConflict
            or ErrorCode.WalSourceNotFound or ErrorCode.FileAccessDenied or ErrorCode.FileNotFound,
    };

    private static WalRusException NotThere(string path) => new(
        ErrorCode.WalSourceNotFound,
        $"There is no file '{path}' to archive.",
        "The daemon must be given PGDATA, and archive_command %f or %p.");

    private WalRusException TookTooLong(string path) => new(
        ErrorCode.DeadlineExceeded,
        $"Archiving '{Path.GetFileName(path)}' took longer than {options.PushTimeout.TotalSeconds:0.###} s.",
        "PostgreSQL will try again; look at the store's health if this repeats (WALG_DAEMON_WAL_UPLOAD_TIMEOUT).") { IsTransient = true };
}
