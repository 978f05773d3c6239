using System.Net.Sockets;

namespace WalRus.Daemon;

/// <summary>
/// Takes connections on a socket and answers their requests in wal-g's protocol: a connection stays open after a check or
/// a status, and is closed after a push, a fetch and every error. Bounded in connections, and in the time each may take.
/// </summary>
internal sealed class DaemonServer : IAsyncDisposable
{
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(100);

    private readonly object gate = new();
    private readonly DaemonSocket socket;
    private readonly IDaemonOperations operations;
    private readonly DaemonServerOptions options;
    private readonly IEventLog log;
    private readonly List<DaemonConnection> connections = [];
    private readonly CancellationTokenSource closing = new();
    private readonly CancellationTokenSource aborting = new();
    private readonly TaskCompletionSource allClosed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task accepting = Task.CompletedTask;

    /// <param name="socket">Listens already; disposed with the server.</param>
    /// <param name="operations">What requests mean.</param>
    /// <param name="options">Limits.</param>
    /// <param name="log">Where it says what went wrong with a connection.</param>
    public DaemonServer(DaemonSocket socket, IDaemonOperations operations, DaemonServerOptions options, IEventLog log)
    {
        this.socket = socket;
        this.operations = operations;
        this.options = options;
        this.log = log;
    }

    public string SocketPath => socket.Path;

    public int ConnectionCount
    {
        get
        {
            lock (gate)
            {
                return connections.Count;
            }
        }
    }

    /// <summary>Takes connections from now on.</summary>
    public void Start() => accepting = Task.Run(AcceptAsync);

    /// <summary>Takes no more connections, closes the silent ones, and waits for the answers that others are owed.</summary>
    /// <returns>False when some were still waiting at the limit; they are cancelled.</returns>
    public async Task<bool> CloseAsync(TimeSpan limit)
    {
        await closing.CancelAsync().ConfigureAwait(false);
        await accepting.ConfigureAwait(false);
        lock (gate)
        {
            connections.ForEach(connection => connection.CloseIfSilent());
            if (connections.Count == 0)
            {
                allClosed.TrySetResult();
            }
        }

        try
        {
            await allClosed.Task.WaitAsync(limit, options.Time).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            await aborting.CancelAsync().ConfigureAwait(false);
            return false;
        }
        finally
        {
            socket.Dispose();
        }
    }

    public async ValueTask DisposeAsync() => await CloseAsync(TimeSpan.Zero).ConfigureAwait(false);

    private async Task AcceptAsync()
    {
        while (!closing.IsCancellationRequested)
        {
            try
            {
                Admit(await socket.Listener.AcceptAsync(closing.Token).ConfigureAwait(false));
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException failure)
            {
                // Out of descriptors, most likely: those who wait are served when there are some again.
                log.DaemonAcceptFailed(failure.Message);
                await Task.Delay(AcceptPause, options.Time, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private void Admit(Socket peer)
    {
        var connection = new DaemonConnection(peer, operations, options);
        lock (gate)
        {
            if (connections.Count >= options.MaxConnections && !connections.Exists(other => other.CloseIfSilent()))
            {
                peer.Dispose();
                return;
            }

            connections.Add(connection);
        }

        _ = Task.Run(() => ServeAsync(connection));
    }

    private async Task ServeAsync(DaemonConnection connection)
    {
        try
        {
            await connection.RunAsync(closing.Token, aborting.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The peer went away, was too slow, or the daemon ends.
            log.DaemonConnectionLost(failure.Message);
        }
        catch (Exception failure)
        {
            // A fault of ours with one request must not end the daemon.
            log.DaemonRequestFault(failure.ToString());
        }
        finally
        {
            connection.Dispose();
            lock (gate)
            {
                connections.Remove(connection);
                if (connections.Count == 0 && closing.IsCancellationRequested)
                {
                    allClosed.TrySetResult();
                }
            }
        }
    }
}
