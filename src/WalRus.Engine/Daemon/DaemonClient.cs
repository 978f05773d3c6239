using System.Net.Sockets;
using WalRus.Streaming;

namespace WalRus.Daemon;

/// <summary>How to reach a daemon.</summary>
public sealed record DaemonClientOptions
{
    /// <summary>The daemon's Unix socket.</summary>
    public required string SocketPath { get; init; }

    /// <summary>How long connecting may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the reply may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>
/// Asks a daemon, ours or wal-g's or WAL-RUS's: one connection a request. Safe to use from many threads.
/// </summary>
/// <remarks>
/// Every method throws <see cref="WalRusException"/> with <see cref="ErrorCode.DaemonUnreachable"/> when nobody answers on the
/// socket, <see cref="ErrorCode.DeadlineExceeded"/> when the reply does not come in time, and
/// <see cref="ErrorCode.DaemonProtocolViolation"/> when what comes is no reply.
/// </remarks>
public sealed class DaemonClient(DaemonClientOptions options)
{
    /// <summary>What a daemon has to say about a failure comes with it; wal-g's says nothing and closes.</summary>
    private static readonly TimeSpan ReasonWait = TimeSpan.FromMilliseconds(250);

    /// <summary>Asks whether the daemon answers.</summary>
    public Task<DaemonReply> CheckAsync(CancellationToken cancellationToken) => AskAsync(DaemonRequest.Check, cancellationToken);

    /// <summary>Asks it to archive a file: a name, <c>pg_wal/NAME</c>, or an absolute path.</summary>
    public Task<DaemonReply> PushAsync(string name, CancellationToken cancellationToken) =>
        AskAsync(DaemonRequest.Push(name), cancellationToken);

    /// <summary>Asks it to bring a WAL file to a destination, absolute or relative to the daemon's data directory.</summary>
    public Task<DaemonReply> FetchAsync(string name, string destination, CancellationToken cancellationToken) =>
        AskAsync(DaemonRequest.Fetch(name, destination), cancellationToken);

    /// <summary>The daemon's status, a JSON document in the reply's text. Only our daemon knows this; others fail it.</summary>
    public Task<DaemonReply> StatusAsync(CancellationToken cancellationToken) =>
        AskAsync(DaemonRequest.Status, cancellationToken);

    /// <summary>Asks it to finish what is under way and end; the reply comes before it has. Only our daemon knows this.</summary>
    public Task<DaemonReply> StopAsync(CancellationToken cancellationToken) => AskAsync(DaemonRequest.Stop, cancellationToken);

    private async Task<DaemonReply> AskAsync(DaemonRequest request, CancellationToken cancellationToken)
    {
        var message = request.Encode();
        using var socket = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        using var limit = new Deadline(options.Timeout, cancellationToken);
        try
        {
            await socket.SendAsync(message, limit.Token).ConfigureAwait(false);
            return await ReadAsync(socket, request.WantsDocument, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                $"The daemon at '{options.SocketPath}' did not answer within {options.Timeout.TotalSeconds:0.###} s.",
                "Its log and 'walrus daemon --status' say what it is busy with; a slow store shows there.") { IsTransient = true };
        }
        catch (SocketException broken)
        {
            throw Closed(broken);
        }
    }

    private async Task<Socket> ConnectAsync(CancellationToken cancellationToken)
    {
        using var limit = new Deadline(options.ConnectTimeout, cancellationToken);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(EndPoint(options.SocketPath), limit.Token).ConfigureAwait(false);
            return socket;
        }
        catch (Exception failed)
        {
            socket.Dispose();
            if (failed is SocketException || (failed is OperationCanceledException && limit.HasPassed))
            {
                throw new WalRusException(
                    ErrorCode.DaemonUnreachable,
                    $"No daemon answers at '{options.SocketPath}': {Why(failed)}.",
                    "Start it with 'walrus daemon SOCKET', or give the path it was started with.",
                    failed) { IsTransient = true };
            }

            throw;
        }
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: too long.</exception>
    internal static UnixDomainSocketEndPoint EndPoint(string path)
    {
        try
        {
            return new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentOutOfRangeException tooLong)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"'{path}' cannot be the path of a socket.",
                "The system limits it to about 100 bytes: use a shorter one.",
                tooLong);
        }
    }

    private static string Why(Exception failed) => failed switch
    {
        SocketException { SocketErrorCode: SocketError.ConnectionRefused } => "nobody listens on this socket",
        SocketException { SocketErrorCode: SocketError.AddressNotAvailable } => "there is no such socket",
        SocketException { SocketErrorCode: SocketError.AccessDenied } => "this user may not connect to it",
        OperationCanceledException => "connecting took too long",
        _ => failed.Message,
    };

    private async Task<DaemonReply> ReadAsync(Socket socket, bool wantsDocument, CancellationToken cancellationToken)
    {
        // A full buffer reads as the end: no reply is longer.
        var received = new byte[wantsDocument ? DaemonFrame.MaxBytes : DaemonReply.MaxReplyBytes];
        var length = 0;
        while (true)
        {
            var isReason = length > 0 && received[0] == (byte)DaemonMessageType.Failed;
            var read = await ReceiveAsync(socket, received.AsMemory(length), isReason, cancellationToken).ConfigureAwait(false);
            length += read;
            switch (DaemonReply.Read(received.AsSpan(0, length), read == 0, wantsDocument, out var reply))
            {
                case DaemonParse.Complete: return reply;
                case DaemonParse.Malformed: throw Closed(null);
                default: break;
            }
        }
    }

    /// <returns>0 when no more comes.</returns>
    private static async ValueTask<int> ReceiveAsync(
        Socket socket, Memory<byte> into, bool isReason, CancellationToken cancellationToken)
    {
        if (!isReason)
        {
            return await socket.ReceiveAsync(into, cancellationToken).ConfigureAwait(false);
        }

        using var wait = new Deadline(ReasonWait, cancellationToken);
        try
        {
            return await socket.ReceiveAsync(into, wait.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (wait.HasPassed)
        {
            return 0;
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private WalRusException Closed(Exception? inner) => new(
        ErrorCode.DaemonProtocolViolation,
        $"What answers at '{options.SocketPath}' closed the connection, or sent something, without a reply.",
        "A daemon that was stopped meanwhile does this, and a socket of another program.",
        inner) { IsTransient = true };
}
