namespace WalRus.Daemon;

/// <summary>
/// The first byte of a message on the daemon's socket. Requests and the first three replies are wal-g's (internal/daemon);
/// <see cref="Status"/>, <see cref="Stop"/> and <see cref="Reason"/> are ours and meet no client that does not know them.
/// </summary>
public enum DaemonMessageType : byte
{
    /// <summary>Request: is there a daemon? The body is ignored; the connection stays open.</summary>
    Check = (byte)'C',

    /// <summary>Request: archive a file. The body is the path or name, raw.</summary>
    Push = (byte)'F',

    /// <summary>Request: bring a WAL file. The body is an array of two: its name, its destination.</summary>
    Fetch = (byte)'f',

    /// <summary>Request of ours, no body: the reply is <see cref="Done"/> with a JSON document as its body.</summary>
    Status = (byte)'S',

    /// <summary>Request of ours, no body: finish what is under way, then end. The reply comes at once.</summary>
    Stop = (byte)'X',

    /// <summary>Reply: done, and durable.</summary>
    Done = (byte)'O',

    /// <summary>Reply: failed; ask again later.</summary>
    Failed = (byte)'E',

    /// <summary>Reply to a fetch: the archive does not hold the file.</summary>
    NotFound = (byte)'N',

    /// <summary>
    /// Ours, sent after the three bytes of <see cref="Failed"/> and right before closing: why it failed, as UTF-8 text. Other
    /// clients have stopped reading by then.
    /// </summary>
    Reason = (byte)'M',
}
