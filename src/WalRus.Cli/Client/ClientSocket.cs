namespace WalRus.Cli.Client;

/// <summary>How an attempt to reach a daemon ended.</summary>
internal enum Reached
{
    Yes,

    /// <summary>There is no such socket.</summary>
    NoSocket,

    /// <summary>A socket that nobody listens on: its daemon ended.</summary>
    NobodyListens,

    /// <summary>Somebody listens and did not take the connection in time.</summary>
    TimedOut,

    /// <summary>This account may not connect.</summary>
    Denied,

    /// <summary>What listens runs under an account that cannot be trusted with WAL.</summary>
    Stranger,

    /// <summary>Not a socket, a path too long for one, no memory.</summary>
    Failed,
}

/// <summary>A blocking Unix socket with deadlines: no thread, no event loop, nothing to wait for at the end of the process.</summary>
internal abstract class ClientSocket : IDisposable
{
    /// <summary>What the system calls this platform's sockets best with.</summary>
    public static ClientSocket Create() => OperatingSystem.IsLinux() ? new LinuxSocket() : new PortableSocket();

    /// <param name="path">The socket's path.</param>
    /// <param name="timeout">How long somebody who listens has to take the connection.</param>
    /// <param name="trustedUserId">An account to trust besides one's own and root; where the system can tell.</param>
    public abstract Reached Connect(string path, TimeSpan timeout, uint? trustedUserId);

    /// <returns>False when not all could be handed over in time.</returns>
    public abstract bool Send(ReadOnlySpan<byte> bytes, TimeSpan timeout);

    /// <returns>How many bytes came; 0 when no more will (closed, broken); -1 when the time is up.</returns>
    public abstract int Receive(Span<byte> into, TimeSpan timeout);

    public abstract void Dispose();
}
