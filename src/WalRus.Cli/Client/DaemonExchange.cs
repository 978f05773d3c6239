using System.Diagnostics;
using WalRus.Daemon;

namespace WalRus.Cli.Client;

/// <summary>What came of one question.</summary>
internal enum Exchanged
{
    Replied,

    /// <summary>Nothing came within the time.</summary>
    TimedOut,

    /// <summary>The connection ended, or what came was no reply.</summary>
    Broke,
}

/// <summary>One question and its reply over a connected socket.</summary>
internal static class DaemonExchange
{
    /// <summary>A reason comes with its failure; wal-g's daemon gives none and closes.</summary>
    private static readonly TimeSpan ReasonWait = TimeSpan.FromMilliseconds(250);

    public static Exchanged Ask(ClientSocket socket, DaemonRequest request, TimeSpan timeout, out DaemonReply reply)
    {
        reply = default;
        var start = Stopwatch.GetTimestamp();
        if (!socket.Send(request.Encode(), timeout))
        {
            return Stopwatch.GetElapsedTime(start) >= timeout ? Exchanged.TimedOut : Exchanged.Broke;
        }

        Span<byte> received = stackalloc byte[DaemonReply.MaxReplyBytes];
        var length = 0;
        while (true)
        {
            var left = timeout - Stopwatch.GetElapsedTime(start);
            var read = socket.Receive(received[length..], length > 0 && left > ReasonWait ? ReasonWait : left);
            if (read < 0 && length == 0)
            {
                return Exchanged.TimedOut;
            }

            length += Math.Max(0, read);
            switch (DaemonReply.Read(received[..length], ended: read <= 0, wantsDocument: false, out reply))
            {
                case DaemonParse.Complete: return Exchanged.Replied;
                case DaemonParse.Malformed: return Exchanged.Broke;
                default: break;
            }
        }
    }
}
