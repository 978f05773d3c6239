using System.Net.Sockets;

namespace WalRus.Cli.Client;

/// <summary>.NET's sockets, for Windows (which has Unix sockets since Windows 10 1803) and the other systems.</summary>
internal sealed class PortableSocket : ClientSocket
{
    private readonly Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    /// <summary>These systems do not say who listens; the folder of the socket has to be one's own.</summary>
    public override Reached Connect(string path, TimeSpan timeout, uint? trustedUserId)
    {
        try
        {
            if (!File.Exists(path))
            {
                return Reached.NoSocket;
            }

            var connecting = socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
            if (!connecting.Wait(timeout))
            {
                return Reached.TimedOut;
            }

            return Reached.Yes;
        }
        catch (AggregateException wrapped) when (wrapped.InnerException is SocketException failed)
        {
            return failed.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => Reached.NobodyListens,
                SocketError.AccessDenied => Reached.Denied,
                SocketError.AddressNotAvailable => Reached.NoSocket,
                _ => Reached.Failed,
            };
        }
        catch (ArgumentException)
        {
            // A path too long for a socket.
            return Reached.Failed;
        }
    }

    public override bool Send(ReadOnlySpan<byte> bytes, TimeSpan timeout)
    {
        socket.SendTimeout = Milliseconds(timeout);
        try
        {
            return socket.Send(bytes) == bytes.Length;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public override int Receive(Span<byte> into, TimeSpan timeout)
    {
        socket.ReceiveTimeout = Milliseconds(timeout);
        try
        {
            return socket.Receive(into);
        }
        catch (SocketException failed)
        {
            return failed.SocketErrorCode == SocketError.TimedOut ? -1 : 0;
        }
    }

    public override void Dispose() => socket.Dispose();

    /// <summary>Zero would mean for ever.</summary>
    private static int Milliseconds(TimeSpan timeout) => (int)Math.Clamp(timeout.TotalMilliseconds, 1, int.MaxValue);
}
