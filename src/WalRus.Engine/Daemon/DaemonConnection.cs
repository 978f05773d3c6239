using System.Net.Sockets;
using WalRus.Streaming;

namespace WalRus.Daemon;

/// <summary>One peer: reads a message, has it answered, and goes on or closes as the message's kind says.</summary>
internal sealed class DaemonConnection(Socket peer, IDaemonOperations operations, DaemonServerOptions options) : IDisposable
{
    /// <summary>A fetch with two arguments of the longest kind; no request is longer.</summary>
    private const int MaxRequestBytes = DaemonFrame.HeaderBytes + 1 + (2 * (2 + DaemonRequest.MaxArgumentBytes));

    private const int UsualRequestBytes = 256;

    private byte[] received = new byte[UsualRequestBytes];
    private int length;
    private int isSilent = 1;
    private int isGivenUp;

    /// <summary>Closes the connection unless a request of it is being answered, or has begun to come.</summary>
    /// <returns>True once: it gives its place to one other connection.</returns>
    public bool CloseIfSilent()
    {
        if (Volatile.Read(ref isSilent) == 0 || Interlocked.Exchange(ref isGivenUp, 1) != 0)
        {
            return false;
        }

        peer.Dispose();
        return true;
    }

    /// <param name="closing">The daemon takes no further request.</param>
    /// <param name="aborting">It does not wait for those under way either.</param>
    public async Task RunAsync(CancellationToken closing, CancellationToken aborting)
    {
        while (!closing.IsCancellationRequested)
        {
            var (request, problem) = await ReadAsync(aborting).ConfigureAwait(false);
            if (request is null && problem is null)
            {
                return;
            }

            var reply = request is { } valid
                ? await AnswerAsync(valid, aborting).ConfigureAwait(false)
                : DaemonReply.Failed(problem!);
            using var limit = new Deadline(options.MessageTimeout, options.Time, aborting);
            await peer.SendAsync(reply.Encode(), limit.Token).ConfigureAwait(false);
            if (request is not { Type: DaemonMessageType.Check or DaemonMessageType.Status })
            {
                return;
            }
        }
    }

    public void Dispose() => peer.Dispose();

    private async ValueTask<DaemonReply> AnswerAsync(DaemonRequest request, CancellationToken cancellationToken)
    {
        switch (request.Type)
        {
            case DaemonMessageType.Check:
                return DaemonReply.Done;
            case DaemonMessageType.Status:
                return DaemonReply.Document(operations.Status());
            case DaemonMessageType.Push:
                return await operations.PushAsync(request.Name, cancellationToken).ConfigureAwait(false);
            case DaemonMessageType.Fetch:
                return await operations.FetchAsync(request.Name, request.Destination, cancellationToken).ConfigureAwait(false);
            default:
                operations.Stop();
                return DaemonReply.Done;
        }
    }

    /// <returns>A request; or what is wrong with what came; or neither when the peer is done or silent for too long.</returns>
    private async ValueTask<(DaemonRequest? Request, string? Problem)> ReadAsync(CancellationToken cancellationToken)
    {
        if (length == 0 && !await BeginAsync(cancellationToken).ConfigureAwait(false))
        {
            return default;
        }

        using var limit = new Deadline(options.MessageTimeout, options.Time, cancellationToken);
        while (true)
        {
            switch (DaemonFrame.Read(received.AsSpan(0, length), out var frame))
            {
                case DaemonParse.Malformed: return (null, "a message cannot be shorter than its header");
                case DaemonParse.Complete: return Take(frame);
                default: break;
            }

            if (frame.Length > MaxRequestBytes)
            {
                return (null, $"no request has {frame.Length} bytes");
            }

            if (frame.Length > received.Length)
            {
                Array.Resize(ref received, MaxRequestBytes);
            }

            var read = await peer.ReceiveAsync(received.AsMemory(length), limit.Token).ConfigureAwait(false);
            if (read == 0)
            {
                return (null, "the message broke off");
            }

            length += read;
        }
    }

    /// <summary>Waits for the first bytes of a message.</summary>
    private async ValueTask<bool> BeginAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref isSilent, 1);
        using var patience = new Deadline(options.IdleTimeout, options.Time, cancellationToken);
        try
        {
            length = await peer.ReceiveAsync(received.AsMemory(), patience.Token).ConfigureAwait(false);
            Volatile.Write(ref isSilent, 0);
            return length > 0;
        }
        catch (OperationCanceledException) when (patience.HasPassed)
        {
            return false;
        }
    }

    /// <summary>Parses a whole message and keeps what came after it: a peer may send its next one early.</summary>
    private (DaemonRequest? Request, string? Problem) Take(DaemonFrame frame)
    {
        var isRequest = DaemonRequest.TryParse(
            frame.Type, frame.Body(received.AsSpan(0, length)), out var request, out var problem);
        received.AsSpan(frame.Length, length - frame.Length).CopyTo(received);
        length -= frame.Length;
        return isRequest ? (request, null) : (null, problem);
    }
}
