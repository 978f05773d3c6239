using System.Text;

namespace WalRus.Daemon;

/// <summary>
/// What the daemon answers. wal-g's daemon writes the type alone; WAL-RUS's and ours write a whole message, <c>type 00 03</c>,
/// which wal-g's client and the walg_archive extension take too since they look at the first byte only. Ours adds a
/// <see cref="DaemonMessageType.Reason"/> message to a failure, and a document to the status. A reader takes every form.
/// This file is compiled into the small client too.
/// </summary>
/// <param name="Type">Done, Failed or NotFound.</param>
/// <param name="Text">The status document, or why a request failed; empty when there is none.</param>
public readonly record struct DaemonReply(DaemonMessageType Type, string Text)
{
    /// <summary>A reason is one or two sentences; what is longer is cut.</summary>
    internal const int MaxReasonBytes = 1024;

    /// <summary>The longest reply without a document: a failure and its reason.</summary>
    internal const int MaxReplyBytes = (2 * DaemonFrame.HeaderBytes) + MaxReasonBytes;

    /// <summary>Done, and durable.</summary>
    public static DaemonReply Done => new(DaemonMessageType.Done, "");

    /// <summary>The archive does not hold the file.</summary>
    public static DaemonReply NotFound => new(DaemonMessageType.NotFound, "");

    /// <summary>Failed, with the reason and what to do about it. It is told to every client: no secrets.</summary>
    public static DaemonReply Failed(string reason) => new(DaemonMessageType.Failed, reason);

    /// <summary>The answer to a status request.</summary>
    public static DaemonReply Document(string json) => new(DaemonMessageType.Done, json);

    /// <summary>The bytes to send, in one write.</summary>
    /// <exception cref="ArgumentException">The document is longer than a message can be.</exception>
    internal byte[] Encode()
    {
        if (Type != DaemonMessageType.Failed)
        {
            return DaemonFrame.Encode(Type, Encoding.UTF8.GetBytes(Text));
        }

        var failed = DaemonFrame.Encode(Type, []);
        return Text.Length == 0 ? failed : [.. failed, .. DaemonFrame.Encode(DaemonMessageType.Reason, Reason(Text))];
    }

    /// <summary>
    /// Reads a reply from all bytes received so far. The first byte decides what it is, and is enough for everything but a
    /// failure, after which a reason may follow, and a document.
    /// </summary>
    /// <param name="ended">No further byte will come.</param>
    internal static DaemonParse Read(ReadOnlySpan<byte> received, bool ended, bool wantsDocument, out DaemonReply reply)
    {
        reply = default;
        if (received.IsEmpty)
        {
            return ended ? DaemonParse.Malformed : DaemonParse.Incomplete;
        }

        switch ((DaemonMessageType)received[0])
        {
            case DaemonMessageType.Done when wantsDocument:
                return ReadDocument(received, ended, out reply);
            case DaemonMessageType.Done or DaemonMessageType.NotFound:
                reply = new DaemonReply((DaemonMessageType)received[0], "");
                return DaemonParse.Complete;
            case DaemonMessageType.Failed:
                return ReadFailure(received, ended, out reply);
            default:
                return DaemonParse.Malformed;
        }
    }

    private static DaemonParse ReadDocument(ReadOnlySpan<byte> received, bool ended, out DaemonReply reply)
    {
        reply = default;
        var state = DaemonFrame.Read(received, out var frame);
        if (state == DaemonParse.Complete)
        {
            reply = Document(Encoding.UTF8.GetString(frame.Body(received)));
        }

        return state == DaemonParse.Incomplete && ended ? DaemonParse.Malformed : state;
    }

    /// <summary>It is a failure whatever follows; a reason that is cut or garbled is no reason.</summary>
    private static DaemonParse ReadFailure(ReadOnlySpan<byte> received, bool ended, out DaemonReply reply)
    {
        reply = Failed("");
        var state = DaemonFrame.Read(received, out var failure);
        var rest = state == DaemonParse.Complete ? received[failure.Length..] : [];
        if (state == DaemonParse.Complete)
        {
            state = DaemonFrame.Read(rest, out var reason);
            if (!rest.IsEmpty && rest[0] != (byte)DaemonMessageType.Reason)
            {
                state = DaemonParse.Malformed;
            }
            else if (state == DaemonParse.Complete)
            {
                reply = Failed(Encoding.UTF8.GetString(reason.Body(rest)));
            }
        }

        return state == DaemonParse.Incomplete && !ended ? DaemonParse.Incomplete : DaemonParse.Complete;
    }

    private static byte[] Reason(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var length = Math.Min(bytes.Length, MaxReasonBytes);
        while (length < bytes.Length && (bytes[length] & 0xC0) == 0x80)
        {
            // Never in the middle of a character.
            length--;
        }

        return bytes[..length];
    }
}
