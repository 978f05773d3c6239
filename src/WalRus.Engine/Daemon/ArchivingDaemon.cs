using System.Reflection;
using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>Where a daemon listens and what it serves.</summary>
public sealed record ArchivingDaemonOptions
{
    /// <summary>The Unix socket.</summary>
    public required string SocketPath { get; init; }

    /// <summary>PGDATA, which names in requests are relative to; null for the working directory.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>How long the end waits for what is under way.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public DaemonServerOptions Server { get; init; } = new();
}

/// <summary>
/// The archiving daemon: a server on a socket, the look-ahead uploader behind it, and what is known of both. Ends only when
/// told to.
/// </summary>
public sealed class ArchivingDaemon : IDaemonOperations, IAsyncDisposable
{
    /// <summary>A larger backlog is only counted so far.</summary>
    private const int BacklogLimit = 100_000;

    private static readonly TimeSpan AliveTimeout = TimeSpan.FromSeconds(5);

    private readonly ArchivingDaemonOptions options;
    private readonly IEventLog log;
    private readonly DaemonPaths paths;
    private readonly DaemonFigures figures;
    private readonly DaemonServer server;
    private readonly TaskCompletionSource stopRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> retiring = [];
    private DaemonSession session;
    private Task? stopped;

    private ArchivingDaemon(ArchivingDaemonOptions options, DaemonArchive archive, DaemonSocket socket, IEventLog log)
    {
        this.options = options;
        this.log = log;
        paths = new DaemonPaths(options.DataDirectory);
        figures = new DaemonFigures(archive.Patience.Time);
        session = new DaemonSession(archive, figures, log);
        server = new DaemonServer(socket, this, options.Server, log);
    }

    /// <summary>Completes when a client asked the daemon to end.</summary>
    public Task StopRequested => stopRequested.Task;

    /// <summary>Listens; from now on requests are answered. The daemon releases the archive, also when this fails.</summary>
    /// <exception cref="WalRusException">As <see cref="DaemonSocket.Listen"/>.</exception>
    public static async Task<ArchivingDaemon> StartAsync(ArchivingDaemonOptions options, DaemonArchive archive, IEventLog log)
    {
        DaemonSocket socket;
        try
        {
            socket = DaemonSocket.Listen(options.SocketPath, GroupMayConnect(options.DataDirectory));
        }
        catch
        {
            await archive.ReleaseAsync().ConfigureAwait(false);
            throw;
        }

        var daemon = new ArchivingDaemon(options, archive, socket, log);
        daemon.server.Start();
        log.DaemonStarted(socket.Path, archive.Location, daemon.session.Uploader.Lanes);
        return daemon;
    }

    /// <summary>
    /// Works with another archive from the next request on; requests under way end on the one before. What was pushed ahead
    /// there is pushed again: it may be another place.
    /// </summary>
    public void Exchange(DaemonArchive archive)
    {
        ObjectDisposedException.ThrowIf(stopped is not null, this);
        var before = Interlocked.Exchange(ref session, new DaemonSession(archive, figures, log));
        log.DaemonReloaded(archive.Location, session.Uploader.Lanes);
        lock (retiring)
        {
            retiring.RemoveAll(task => task.IsCompleted);

            // Nothing waits for this, so it may take what a push may take.
            retiring.Add(before.RetireAsync(before.Archive.Patience.PushTimeout));
        }
    }

    /// <summary>
    /// Whether it does its work: the socket is answered within seconds, and no push is stuck past its deadline. What a
    /// watchdog is told depends on this.
    /// </summary>
    public async Task<bool> IsAliveAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref session).Uploader.Look().IsStuck)
        {
            return false;
        }

        try
        {
            var client = new DaemonClient(new DaemonClientOptions
            {
                SocketPath = server.SocketPath,
                ConnectTimeout = AliveTimeout,
                Timeout = AliveTimeout,
            });
            return (await client.CheckAsync(cancellationToken).ConfigureAwait(false)).Type == DaemonMessageType.Done;
        }
        catch (WalRusException)
        {
            return false;
        }
    }

    /// <summary>What the daemon is and did, now. Reads archive_status.</summary>
    public DaemonStatus Status()
    {
        var current = Volatile.Read(ref session);
        var (busy, ahead, _) = current.Uploader.Look();
        var memory = ProcessMemory.Read();
        var counts = figures.Read();
        var backlog = Backlog();
        var seconds = Math.Clamp(counts.Uptime.TotalSeconds, 1, 60);
        return new DaemonStatus
        {
            Version = Version,
            ProcessId = Environment.ProcessId,
            Socket = server.SocketPath,
            Archive = current.Archive.Location,
            DataDirectory = options.DataDirectory,
            Started = counts.Started,
            UptimeSeconds = Math.Round(counts.Uptime.TotalSeconds, 3),
            IsStopping = stopped is not null,
            RssBytes = memory.RssBytes,
            RssPeakBytes = memory.RssPeakBytes,
            VmPeakBytes = memory.VmPeakBytes,
            BuffersRentedBytes = current.Archive.Buffers.RentedBytes,
            BufferBudgetBytes = current.Archive.Buffers.BudgetBytes,
            LanesBusy = busy,
            LanesTotal = current.Uploader.Lanes,
            Ahead = ahead,
            Backlog = backlog,
            IsBacklogExact = backlog < BacklogLimit,
            Connections = server.ConnectionCount,
            Archived = counts.Archived,
            Uploaded = counts.Uploaded,
            UploadedBytes = counts.UploadedBytes,
            StoredBytes = counts.StoredBytes,
            Fetched = counts.Fetched,
            Failed = counts.Failed,
            UploadedPerSecond = Math.Round(counts.UploadedLastMinute / seconds, 3),
            BytesPerSecond = Math.Round(counts.BytesLastMinute / seconds),
            LastArchived = counts.LastArchived,
            LastArchivedTime = counts.LastArchivedTime,
            LastError = counts.LastError,
            LastErrorTime = counts.LastErrorTime,
        };
    }

    /// <summary>Changes with everything the daemon does for somebody, and is negative while it does.</summary>
    internal long Activity
    {
        get
        {
            var counts = figures.Read();
            var sum = counts.Archived + counts.Uploaded + counts.Fetched + counts.Failed;
            return Volatile.Read(ref session).Uploader.Look().Busy > 0 ? -1 - sum : sum;
        }
    }

    /// <summary>Frees the data buffers and codec contexts that nobody uses.</summary>
    internal void ReleaseIdle() => Volatile.Read(ref session).Archive.ReleaseIdleMemory();

    /// <summary>Takes no more requests, answers those under way, and ends. Safe to call again.</summary>
    public Task StopAsync() => stopped ??= EndAsync();

    public ValueTask DisposeAsync() => new(StopAsync());

    async ValueTask<DaemonReply> IDaemonOperations.PushAsync(string argument, CancellationToken cancellationToken)
    {
        DaemonSession? current = null;
        try
        {
            current = Enter();
            await current.Uploader.PushAsync(paths.Pushed(argument), cancellationToken).ConfigureAwait(false);
            return DaemonReply.Done;
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            var reason = Reason(failure);
            log.DaemonPushFailed(argument, reason);
            figures.Failed($"{argument}: {reason}");
            return DaemonReply.Failed(reason);
        }
        finally
        {
            current?.Leave();
        }
    }

    async ValueTask<DaemonReply> IDaemonOperations.FetchAsync(
        string name, string destination, CancellationToken cancellationToken)
    {
        DaemonSession? current = null;
        try
        {
            current = Enter();
            await current.FetchAsync(name, paths.Destination(destination), cancellationToken).ConfigureAwait(false);
            figures.Fetched();
            return DaemonReply.Done;
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.WalSegmentNotFound)
        {
            return DaemonReply.NotFound;
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            var reason = Reason(failure);
            log.DaemonFetchFailed(name, reason);
            figures.Failed($"{name}: {reason}");
            return DaemonReply.Failed(reason);
        }
        finally
        {
            current?.Leave();
        }
    }

    string IDaemonOperations.Status() => Status().ToJson();

    void IDaemonOperations.Stop() => stopRequested.TrySetResult();

    private static string Version { get; } = typeof(ArchivingDaemon).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private static string Reason(Exception failure) => failure switch
    {
        WalRusException { Hint: { } hint } => $"{failure.Message} {hint}",
        WalRusException or IOException or UnauthorizedAccessException => failure.Message,
        _ => $"{failure.GetType().Name}: {failure.Message}",
    };

    /// <summary>As PostgreSQL does with its own files: the group may when it may read the data directory.</summary>
    private static bool GroupMayConnect(string? dataDirectory) =>
        !OperatingSystem.IsWindows() && Directory.Exists(dataDirectory)
        && File.GetUnixFileMode(dataDirectory).HasFlag(UnixFileMode.GroupRead | UnixFileMode.GroupExecute);

    private int Backlog()
    {
        try
        {
            return new ReadyFolder(paths.WalFolder).Count(BacklogLimit);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private DaemonSession Enter()
    {
        while (true)
        {
            var current = Volatile.Read(ref session);
            if (current.TryEnter())
            {
                return current;
            }

            if (stopped is not null)
            {
                throw new WalRusException(ErrorCode.DaemonRefused, "The daemon is ending.") { IsTransient = true };
            }
        }
    }

    private async Task EndAsync()
    {
        log.DaemonStopping(options.DrainTimeout);
        var time = options.Server.Time;
        var start = time.GetTimestamp();
        await server.CloseAsync(options.DrainTimeout).ConfigureAwait(false);
        var left = options.DrainTimeout - time.GetElapsedTime(start);
        await session.RetireAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero).ConfigureAwait(false);
        Task[] earlier;
        lock (retiring)
        {
            earlier = [.. retiring];
        }

        await Task.WhenAll(earlier).ConfigureAwait(false);
        log.DaemonStopped(figures.Read().Archived);
    }
}
